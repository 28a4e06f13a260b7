/** The examples run, with the permissions that the demo gets and no others. @module */

import { assertEquals, assertMatch } from "@std/assert";

const ROOT = new URL("../", import.meta.url);
const TIME_LIMIT_MS = 120_000;
const PERMISSIONS = ["--allow-read", "--allow-write", "--allow-env", "--allow-run"];

const examples = [...Deno.readDirSync(new URL("examples/", ROOT))].map(({ name }) => name).sort();

for (const name of examples.filter((name) => name.endsWith(".ts"))) {
  Deno.test(`examples/${name} runs to its end`, async () => {
    const { code, output } = await run(`examples/${name}`);
    assertEquals(code, 0, output);
    if (name === "document_crew.ts") assertMatch(output, /^ +lost +0$/m);
  });
}

/** Runs a program of the project, within a time limit. */
async function run(path: string): Promise<{ readonly code: number; readonly output: string }> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", ...PERMISSIONS, path],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const tooLate = new AbortController();
  const timer = setTimeout(() => {
    process.kill("SIGTERM");
    tooLate.abort(); // a process that it started may still hold its output open
  }, TIME_LIMIT_MS);
  let output = "";
  const read = (stream: ReadableStream<Uint8Array<ArrayBuffer>>) =>
    stream.pipeThrough(new TextDecoderStream())
      .pipeTo(new WritableStream({ write: (text) => void (output += text) }), { signal: tooLate.signal })
      .catch(() => output += `\nended after ${TIME_LIMIT_MS} ms`);
  await Promise.all([read(process.stdout), read(process.stderr)]);
  const { code } = await process.status;
  clearTimeout(timer);
  return { code, output };
}
