/** The examples do what they say, each in a process of its own as a user would run it. @module */

import { assertEquals, assertMatch } from "@std/assert";

interface Run {
  readonly code: number;
  readonly output: string;
}

async function runExample(name: string, ...args: string[]): Promise<Run> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-write", "--allow-env", "--allow-run", `examples/${name}.ts`, ...args],
    cwd: new URL("..", import.meta.url),
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** The table at the end of the demo. */
function tableOf(output: string): Record<string, number> {
  const rows = output.matchAll(/^ {2}(sent|handled|retried|recovered|dead|lost) +(\d+)$/gm);
  return Object.fromEntries([...rows].map(([, name, count]) => [name, Number(count)]));
}

Deno.test("basic_usage takes the urgent message first and leaves nothing behind", async () => {
  const { code, output } = await runExample("basic_usage");
  assertEquals(code, 0, output);
  assertMatch(output, /fix the typo[\s\S]*draft a title[\s\S]*anything: 0/);
});

Deno.test("custom_agent_types reaches every subscriber and gets a reply", async () => {
  const { code, output } = await runExample("custom_agent_types");
  assertEquals(code, 0, output);
  assertMatch(output, /reached 3 translators\nthe page was translated by fr\n/);
});

Deno.test("fault_tolerance retries, gives up, and puts back", async () => {
  const { code, output } = await runExample("fault_tolerance");
  assertEquals(code, 0, output);
  assertMatch(
    output,
    /dead letter: impossible, because no model can do that\ndone: easy, flaky, impossible; retries: 2/,
  );
});

Deno.test("document_crew loses nothing of the README, though a process is killed in the middle of its work", async () => {
  const { code, output } = await runExample("document_crew");
  assertEquals(code, 0, output);
  assertMatch(output, /was killed while it read section/);
  const { sent = 0, handled, recovered = 0, dead, lost } = tableOf(output);
  assertEquals({ handled, dead, lost }, { handled: sent, dead: 0, lost: 0 }, output);
  assertEquals(recovered > 0, true, "the section that was being read when the process was killed came back");
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
    const { code, output } = await runExample("document_crew", file, "needleword");
    assertEquals(code, 0, output);
    assertMatch(output, /"needleword"\? In 1 sections:\n.*The end/);
    const { sent = 0, handled, retried = 0, lost } = tableOf(output);
    assertEquals({ handled, lost }, { handled: sent, lost: 0 }, output);
    assertEquals(sent > 1000 && retried > 10, true, output);
  } finally {
    await Deno.remove(file);
  }
});
