/** The examples run, with the permissions that the demo gets and no others. @module */

import { assert, assertEquals, assertMatch } from "@std/assert";

const ROOT = new URL("../", import.meta.url);
const TIME_LIMIT_MS = 120_000;
const PERMISSIONS = ["--allow-read", "--allow-write", "--allow-env", "--allow-run"];

// What each example prints, where that is more than that it ends well.
const EXPECTED: Readonly<Record<string, RegExp>> = {
  "basic_usage.ts": /fix the typo[\s\S]*draft a title[\s\S]*anything: 0/,
  "custom_agent_types.ts": /reached 3 translators\nthe page was translated by fr\n/,
  "memory_workflow.ts": /found: ada:trip:4 allergic\n[\s\S]*session: ada:trip\n[\s\S]*left: 2 entries\nkept in: memory/,
  "fault_tolerance.ts": /because no model can do that\ndone: easy, flaky, impossible; retries: 2/,
};
const examples = [...Deno.readDirSync(new URL("examples/", ROOT))].map(({ name }) => name).sort();

for (const name of examples.filter((name) => name.endsWith(".ts"))) {
  Deno.test(`examples/${name} runs to its end`, async () => {
    const { code, output } = await run(`examples/${name}`);
    assertEquals(code, 0, output);
    assertMatch(output, EXPECTED[name] ?? /./);
  });
}

Deno.test("document_crew loses nothing of the README, though a process is killed in the middle of its work", async () => {
  const { code, output } = await run("examples/document_crew.ts");
  assertEquals(code, 0, output);
  assertMatch(output, /was killed while it read section/);
  const { sent = 0, handled, recovered = 0, dead, lost } = tableOf(output);
  assertEquals({ handled, dead, lost }, { handled: sent, dead: 0, lost: 0 }, output);
  assert(recovered > 0, "the section that was being read when the process was killed came back");
});

Deno.test("document_crew loses nothing of a file of 1 MB, and answers the query", async () => {
  const file = await Deno.makeTempFile({ suffix: ".md" });
  try {
    const line = (n: number) => `Paragraph ${n} is about mailboxes, leases and whatever else agents talk about.\n`;
    const text = Array.from(
      { length: 13_500 },
      (_, n) => n % 40 === 0 ? `## Chapter ${n / 40}\n\n${line(n)}` : line(n),
    );
    await Deno.writeTextFile(file, text.join("") + "## The end\n\nHere, and only here, stands the word needleword.\n");
    const { code, output } = await run("examples/document_crew.ts", file, "needleword");
    assertEquals(code, 0, output);
    assertMatch(output, /"needleword"\? In 1 sections:\n.*The end/);
    const { sent = 0, handled, retried = 0, lost } = tableOf(output);
    assertEquals({ handled, lost }, { handled: sent, lost: 0 }, output);
    assert(sent > 600 && retried > 10, output);
  } finally {
    await Deno.remove(file);
  }
});

for (
  const [what, text] of [["nothing", ""], ["a word", "mailboxes"], [
    "one long line",
    "mailboxes and leases ".repeat(5000),
  ]]
) {
  Deno.test(`document_crew comes to its end with a file of ${what}`, async () => {
    const file = await Deno.makeTempFile({ suffix: ".md" });
    try {
      await Deno.writeTextFile(file, text ?? "");
      const { code, output } = await run("examples/document_crew.ts", file, "mailboxes");
      assertEquals(code, 0, output);
      const { sent = 0, handled, lost } = tableOf(output);
      assertEquals({ handled, lost }, { handled: sent, lost: 0 }, output);
    } finally {
      await Deno.remove(file);
    }
  });
}

for (
  const [args, message] of [
    [["/no/such/file.md"], 'Cannot read "/no/such/file.md": there is no such file\n'],
    [["/"], 'Cannot read "/": Is a directory'],
    [["README.md", "word", "another"], 'Cannot use "another": the demo takes a file and a word to look for'],
    [["--fast"], 'Cannot use "--fast": the demo takes a file and a word to look for'],
  ] as const
) {
  Deno.test(`document_crew refuses ${args.join(" ")} in one line`, async () => {
    const { code, output } = await run("examples/document_crew.ts", ...args);
    assertEquals([code, output.startsWith(message), output.split("\n").length], [2, true, 2], output);
  });
}

/** The table at the end of the demo. */
function tableOf(output: string): Record<string, number> {
  const rows = output.matchAll(/^ {2}(sent|handled|retried|recovered|dead|lost) +(\d+)$/gm);
  return Object.fromEntries([...rows].map(([, name, count]) => [name, Number(count)]));
}

/** Runs a program of the project, within a time limit. */
async function run(path: string, ...args: string[]): Promise<{ readonly code: number; readonly output: string }> {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", ...PERMISSIONS, path, ...args],
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
