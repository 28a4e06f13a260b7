import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { createMemoryKey } from "../../src/memory/memory_key.ts";
import type { JsonObject, JsonValue } from "../../src/storage/json.ts";

Deno.test("createMemoryKey() without a context, or with an empty one, has two parts", () => {
  assertEquals(createMemoryKey("ada", "s1"), "ada:s1");
  assertEquals(createMemoryKey("ada", "s1", {}), "ada:s1");
  assertEquals(createMemoryKey("ada", "s1", null), "ada:s1");
});

// Made by the Python original: hashlib.md5(json.dumps(context, sort_keys=True).encode()).hexdigest()[:8]
const VECTORS: readonly (readonly [JsonObject, string])[] = [
  [{ "task": "plan", "step": 2 }, "d43f2a47"],
  [{ "b": 1, "a": [true, false, null] }, "4b90f4ff"],
  [{ "text": "Gr\u00fc\u00dfe, \u4e16\u754c \ud83d\ude00" }, "dee9adc8"],
  [{ "esc": '"\\/\b\f\n\r\t\u0001\u007f\u2028' }, "a1be449d"],
  [{ "z": { "y": { "x": [] }, "w": {} } }, "6114cb2e"],
  [{ "f": [0.1, -2.5, 1e-05, 0.0001, 1.5e-07, 1e+16, 1.5e+300, 123456789.125, 5e-324] }, "ca8a856f"],
  [{ "i": [0, -1, 9007199254740991, -9007199254740991] }, "281fabfc"],
  [{ "\ud83d\ude00": 1, "\uffff": 2, "\ue000": 3, "a": 4, "B": 5 }, "030c01f2"],
  [{ "": "" }, "d223c6f7"],
];

Deno.test("createMemoryKey() makes the keys of the Python original", () => {
  for (const [context, hash] of VECTORS) assertEquals(createMemoryKey("u", "s", context), `u:s:${hash}`);
});

Deno.test("createMemoryKey() does not look at the order of fields", () => {
  assertEquals(
    createMemoryKey("u", "s", { b: 1, a: { d: 1, c: 2 } }),
    createMemoryKey("u", "s", { a: { c: 2, d: 1 }, b: 1 }),
  );
});

Deno.test("createMemoryKey() writes a number without a fraction as an integer", () => {
  assertEquals(createMemoryKey("u", "s", { n: 1.0 }), createMemoryKey("u", "s", { n: 1 }));
  assertEquals(createMemoryKey("u", "s", { n: -0 }), createMemoryKey("u", "s", { n: 0 }));
});

Deno.test("createMemoryKey() refuses what is no JSON, naming the place", () => {
  // deno-lint-ignore no-explicit-any -- what a caller without types may pass
  const make = (...args: any[]) => () => createMemoryKey(args[0], args[1], args[2]);
  assertThrows(make("u", "s", { a: { b: NaN } }), TypeError, "context.a.b");
  assertThrows(make("u", "s", { a: [Infinity] }), TypeError, "context.a[0]");
  assertThrows(make("u", "s", { a: undefined }), TypeError, "undefined");
  assertThrows(make("u", "s", { a: new Date() }), TypeError, "context.a");
  assertThrows(make("u", "s", [1]), TypeError, "an array");
  assertThrows(make("u", "s", "x"), TypeError, "context");
  assertThrows(make(1, "s"), TypeError, "userId");
  assertThrows(make("u", null), TypeError, "sessionId");
  const circle: Record<string, unknown> = {};
  circle.self = circle;
  assertThrows(make("u", "s", circle), TypeError, "too deep");
});

const PYTHON = `
import hashlib, json, sys
for line in sys.stdin.buffer.read().decode().split("\\n"):
    context = json.loads(line)
    print(hashlib.md5(json.dumps(context, sort_keys=True).encode()).hexdigest()[:8] if context else "")
`;

/** What Python makes of contexts; `null` where there is no Python. */
async function hashesOfPython(contexts: readonly JsonObject[]): Promise<string[] | null> {
  try {
    const child = new Deno.Command("python3", { args: ["-c", PYTHON], stdin: "piped", stdout: "piped" }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(contexts.map(forPython).join("\n")));
    await writer.close();
    const { stdout } = await child.output();
    return new TextDecoder().decode(stdout).split("\n").slice(0, contexts.length);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** JSON in which Python sees an integer or a float where the rule of `createMemoryKey` says so. */
function forPython(value: JsonValue): string {
  if (typeof value === "number") return Number.isSafeInteger(value) ? String(value + 0) : value.toExponential();
  if (Array.isArray(value)) return `[${value.map(forPython).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}:${forPython(each)}`).join(",")}}`;
}

Deno.test("createMemoryKey() agrees with Python on any context, where there is a Python", async () => {
  const text = fc.string({ unit: "binary" });
  const { object } = fc.letrec((tie) => ({
    object: fc.dictionary(text, tie("value")),
    value: fc.oneof(
      { maxDepth: 4 },
      text,
      fc.integer(),
      fc.maxSafeInteger(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie("value")),
      tie("object"),
    ),
  }));
  // deno-lint-ignore no-explicit-any -- a recursive arbitrary has no better type
  const contexts = fc.sample(object as fc.Arbitrary<any>, 2000);
  const hashes = await hashesOfPython(contexts);
  if (hashes === null) return; // the vectors above have to do
  for (const [index, context] of contexts.entries()) {
    assertEquals(
      createMemoryKey("u", "s", context),
      ["u:s", hashes[index]].filter(Boolean).join(":"),
      forPython(context),
    );
  }
});
