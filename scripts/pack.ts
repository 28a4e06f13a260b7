/**
 * Makes the npm package with `deno pack`: `deno task pack [FILE]`, by default `NAME-VERSION.tgz` in this directory.
 *
 * `deno pack` knows of exports and dependencies only, and keeps each source file: the package is finished here.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import { finishPackage } from "./finish_npm.ts";
import { METADATA } from "./npm_package.ts";

const ROOT = new URL("../", import.meta.url);

if (import.meta.main) {
  const [path = `${METADATA.name.replace("@", "").replace("/", "-")}-${METADATA.version}.tgz`] = Deno.args;
  await pack(path);
  console.log(`${path}: ${Math.round((await Deno.stat(path)).size / 1000)} kB`);
}

/** Makes the package as a tarball at `path`. */
export async function pack(path: string): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "pack-" });
  try {
    const raw = `${directory}/raw.tgz`;
    // Without source maps, which carry all of the source and make the package four times as large.
    await run(Deno.execPath(), ["pack", "--quiet", "--allow-dirty", "--no-source-maps", "--output", raw], ROOT);
    await run("tar", ["-xzf", "raw.tgz"], directory);
    await finishPackage(`${directory}/package`);
    await run("tar", ["-czf", "finished.tgz", "package"], directory);
    await Deno.copyFile(`${directory}/finished.tgz`, path);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function run(program: string, args: readonly string[], cwd: string | URL): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`Cannot run ${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
}
