/** A copy of the project in which one mutant at a time is tested; the checkout itself is never touched. @module */

/** How a run of the tests ended. */
export type Outcome = "passed" | "failed" | "timed out";

// Of the processor's time, in which an endless loop is found however busy the machine is. The tests of a file need one
// or two; a test that waits for what never comes ends by itself, as there is nothing left to do.
const MAX_CPU_SECONDS = 5;
const MAX_WAIT_MS = 300_000;

const COPIED = ["deno.json", "deno.lock", "mod.ts", "src", "backends", "presets", "tests", "scripts/mutate"];

/** A temporary copy of what the tests of the pure parts need. */
export class Tree implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Copies the project at `root`. */
  static async copy(root: URL): Promise<Tree> {
    const folder = await Deno.makeTempDir({ prefix: "mutate-" });
    for (const path of COPIED) await copyInto(new URL(path, root).pathname, `${folder}/${path}`);
    return new Tree(folder);
  }

  /** Runs tests, one file after the other until one fails, while a source file has another text. */
  async test(tests: readonly string[], file: string, text: string): Promise<Outcome> {
    const path = `${this.#folder}/${file}`;
    const original = await Deno.readTextFile(path);
    await Deno.writeTextFile(path, text);
    try {
      for (const each of tests) {
        const outcome = await this.#run(each);
        if (outcome !== "passed") return outcome;
      }
      return "passed";
    } finally {
      await Deno.writeTextFile(path, original);
    }
  }

  async #run(test: string): Promise<Outcome> {
    const args = ["test", "--allow-all", "--no-check", "--fail-fast", "--preload=scripts/mutate/fixed_seed.ts", test];
    const child = new Deno.Command("sh", {
      args: ["-c", `ulimit -t ${MAX_CPU_SECONDS}; exec "$@"`, "sh", Deno.execPath(), ...args],
      cwd: this.#folder,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const timer = setTimeout(() => child.kill("SIGKILL"), MAX_WAIT_MS);
    const { success, signal } = await child.status;
    clearTimeout(timer);
    return signal !== null ? "timed out" : success ? "passed" : "failed";
  }

  /** Removes the copy. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#folder, { recursive: true });
  }
}

async function copyInto(from: string, to: string): Promise<void> {
  const { isDirectory } = await Deno.stat(from);
  await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
  if (!isDirectory) return await Deno.copyFile(from, to);
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isSymlink } of Deno.readDir(from)) {
    if (!isSymlink && name !== "node_modules") await copyInto(`${from}/${name}`, `${to}/${name}`);
  }
}
