/** An empty project that installs the packed package from its tarball, as a stranger would. @module */

import { pack } from "../../scripts/pack.ts";

/** What the package's optional peers are, at the versions that it names, and what a TypeScript project brings along. */
const LATER = ["ioredis@6", "postgres@3", "@deno/kv@0.14", "typescript@6", "@types/node@24"];

const DECODER = new TextDecoder();

/** What a program did. */
export interface Run {
  readonly success: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** A project in a folder of its own. */
export class Consumer implements AsyncDisposable {
  /** The folder. */
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Packs the package and installs it, and nothing else, in a new project. */
  static async make(): Promise<Consumer> {
    const consumer = new Consumer(await Deno.makeTempDir({ prefix: "consumer-" }));
    await pack(`${consumer.directory}/package.tgz`);
    await consumer.write("package.json", '{ "private": true, "type": "module" }');
    await consumer.npmInstall("./package.tgz");
    return consumer;
  }

  /** Installs the drivers and TypeScript, too. */
  async installTheRest(): Promise<void> {
    await this.npmInstall(...LATER);
  }

  /** Runs `npm install`. */
  async npmInstall(...packages: readonly string[]): Promise<void> {
    const [npm, ...first] = Deno.build.os === "windows" ? ["cmd", "/c", "npm"] : ["npm"];
    const flags = ["--no-audit", "--no-fund", "--no-bin-links", "--prefer-offline", "--loglevel=error"];
    const { success, stderr } = await this.run(npm, [...first, "install", ...flags, ...packages]);
    if (!success) throw new Error(`Cannot install ${packages.join(", ")}: ${stderr}`);
  }

  /** Writes a file of the project. */
  async write(name: string, text: string): Promise<void> {
    await Deno.writeTextFile(`${this.directory}/${name}`, text);
  }

  /** Runs a program in the project. */
  async run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Run> {
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args: [...args],
      cwd: this.directory,
      env: { ...env, NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    return { success, stdout: DECODER.decode(stdout), stderr: DECODER.decode(stderr) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.directory, { recursive: true });
  }
}
