/** The provider that Deno registers by itself is found, and sees one trace across agents. @module */

import { assertEquals, assertMatch } from "@std/assert";

const EXAMPLE = new URL("../../examples/telemetry.ts", import.meta.url).pathname;

async function run(env: Record<string, string>): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-env", "--no-check", EXAMPLE],
    env: { ...env, NO_COLOR: "1" },
  }).output();
  const output = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assertEquals(code, 0, output);
  return output;
}

/** The traces that the agents have worked in. */
function tracesOf(output: string): (string | undefined)[] {
  return ["editor", "writer", "reader"].map((agent) =>
    new RegExp(`^${agent} works in ([^:\\n]+)`, "m").exec(output)?.[1]
  );
}

Deno.test("under OTEL_DENO=true, what agents do for one another is one trace", async () => {
  const output = await run({ OTEL_DENO: "true", OTEL_EXPORTER_OTLP_PROTOCOL: "console" });
  const [editor, writer, reader] = tracesOf(output);
  assertMatch(editor ?? "", /^[0-9a-f]{32}$/);
  assertEquals([writer, reader], [editor, editor]);
  for (const name of ["send", "receive", "process", "ack"]) {
    assertMatch(output, new RegExp(`SPAN ${name} (writer|reader)/\\{instance\\}`));
  }
  assertMatch(output, /METRIC messaging\.client\.sent\.messages/);
});

Deno.test("without a provider, the example runs as well, and nothing is recorded", async () => {
  const output = await run({ OTEL_DENO: "false" });
  assertEquals(tracesOf(output), ["no trace", "no trace", "no trace"]);
});
