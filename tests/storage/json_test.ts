/** JSON values: what is taken comes back, what JSON cannot carry is refused by its path. @module */

import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { copyJson, copyJsonObject, encodeJson, MAX_JSON_DEPTH, requireJson } from "../../src/storage/json.ts";

Deno.test("copyJson() and encodeJson() agree with JSON about every JSON value", () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    const expected = JSON.parse(JSON.stringify(value));
    assertEquals(copyJson(value), expected);
    assertEquals(JSON.parse(encodeJson(value)), expected);
    requireJson(value);
  }));
});

Deno.test("copyJson(), encodeJson() and requireJson() take and refuse the same values", () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withSparseArray: true,
    withNullPrototype: true,
  });
  fc.assert(fc.property(anything, (value) => {
    const refusals = [copyJson, encodeJson, requireJson].map((check) => refusalOf(() => check(value)));
    assertStrictEquals(refusals[1], refusals[0]);
    assertStrictEquals(refusals[2], refusals[0]);
  }));
});

Deno.test("copyJson() gives a copy, deep and plain", () => {
  const given = { list: [{ n: 1 }], bare: Object.assign(Object.create(null), { x: null }) };
  const copied = copyJson(given) as typeof given;
  assertEquals(JSON.stringify(copied), JSON.stringify(given));
  assertNotStrictEquals(copied.list, given.list);
  assertNotStrictEquals(copied.list[0], given.list[0]);
  assertStrictEquals(Object.getPrototypeOf(copied.bare), Object.prototype);
});

Deno.test("copyJson() keeps __proto__ a property like any other", () => {
  const given = JSON.parse('{"__proto__": {"polluted": true}, "a": 1}');
  const copied = copyJson(given) as object;
  assertEquals(Object.keys(copied), ["__proto__", "a"]);
  const attributes = { enumerable: true, configurable: true, writable: true };
  assertEquals(Object.getOwnPropertyDescriptor(copied, "__proto__"), { value: { polluted: true }, ...attributes });
  assertStrictEquals(Object.getPrototypeOf(copied), Object.prototype);
  assertEquals(JSON.stringify(copied), JSON.stringify(given));
});

Deno.test("copyJson() makes negative zero zero, as JSON text does", () => {
  assertStrictEquals(Object.is(copyJson(-0), 0), true);
  assertStrictEquals(encodeJson([-0]), "[0]");
});

Deno.test("copyJson() takes objects of another realm and objects without a prototype, and skips symbols", () => {
  const foreign = Object.create(Object.create(null), { a: { value: 1, enumerable: true } });
  assertEquals(copyJson(foreign), { a: 1 });
  assertEquals(copyJson({ [Symbol("s")]: 1, a: 2 }), { a: 2 });
  const inherited = Object.create({ __proto__: null, method: () => {} }, { a: { value: 1, enumerable: true } });
  assertEquals(encodeJson(inherited), '{"a":1}');
  assertEquals(copyJson(inherited), { a: 1 });
});

Deno.test("copyJson() names the path of what JSON cannot carry", () => {
  class Job {
    readonly left = NaN;
  }
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  const cases: [value: unknown, message: string][] = [
    [undefined, "Cannot store value: JSON cannot carry undefined"],
    [NaN, "Cannot store value: JSON cannot carry NaN"],
    [[1, Infinity], "Cannot store value[1]: JSON cannot carry Infinity"],
    [{ a: { b: [-Infinity] } }, "Cannot store value.a.b[0]: JSON cannot carry -Infinity"],
    [{ "a b": 1n }, 'Cannot store value["a b"]: JSON cannot carry a bigint'],
    [{ $ok: Symbol("s") }, "Cannot store value.$ok: JSON cannot carry a symbol"],
    [{ run() {} }, "Cannot store value.run: JSON cannot carry a function"],
    [{ at: new Date(0) }, "Cannot store value.at: JSON cannot carry an object of the class Date"],
    [[new Map()], "Cannot store value[0]: JSON cannot carry an object of the class Map"],
    [{ job: new Job() }, "Cannot store value.job: JSON cannot carry an object of the class Job"],
    [{ toJSON: () => 1 }, "Cannot store value.toJSON: JSON cannot carry a function"],
    [new Array(2), "Cannot store value[0]: JSON cannot carry undefined"],
    [{ ok: 1, gap: undefined }, "Cannot store value.gap: JSON cannot carry undefined"],
    [Object.create({}), "Cannot store value: JSON cannot carry an object of the class Object"],
    [
      Object.create(Object.create(Object.create(null))),
      "Cannot store value: JSON cannot carry an object of the class unknown",
    ],
    [
      Object.create(Object.create(Object.create({ constructor: {} }))),
      "Cannot store value: JSON cannot carry an object of the class unknown",
    ],
    [{ "1a": NaN }, 'Cannot store value["1a"]: JSON cannot carry NaN'],
    [{ "a-": NaN }, 'Cannot store value["a-"]: JSON cannot carry NaN'],
    [{ a1: NaN }, "Cannot store value.a1: JSON cannot carry NaN"],
  ];
  for (const [value, message] of cases) {
    for (const check of [copyJson, encodeJson, requireJson]) assertThrows(() => check(value), TypeError, message);
  }
  assertThrows(() => copyJson({ a: NaN }, "payload"), TypeError, "Cannot store payload.a: JSON cannot carry NaN");
  assertThrows(() => copyJson(circle), TypeError, "or contains itself");
});

Deno.test("copyJsonObject() takes objects alone, and of these what JSON can carry", () => {
  const object = { a: [1] };
  assertEquals(copyJsonObject(object, "metadata"), object);
  assertNotStrictEquals(copyJsonObject(object, "metadata")["a"], object.a);
  for (const [value, type] of [[null, "null"], [[], "an array"], ["{}", "string"], [undefined, "undefined"]] as const) {
    const message = `Cannot use metadata: it must be a JSON object, got ${type}`;
    assertThrows(() => copyJsonObject(value, "metadata"), TypeError, message);
  }
  assertThrows(
    () => copyJsonObject({ a: NaN }, "metadata"),
    TypeError,
    "Cannot store metadata.a: JSON cannot carry",
  );
});

Deno.test("copyJson() takes MAX_JSON_DEPTH levels and refuses one more, without naming a path of that length", () => {
  const nested = (depth: number) => {
    let value: unknown = 1;
    for (let level = 0; level < depth; level++) value = level % 2 ? { in: value } : [value];
    return value;
  };
  for (const check of [copyJson, encodeJson, requireJson]) {
    check(nested(MAX_JSON_DEPTH));
    const message = refusalOf(() => check(nested(MAX_JSON_DEPTH + 1))) ?? "";
    assert(message.includes("nested deeper than 200 levels"), message);
    assert(message.length < 250, message);
    assert(
      message.startsWith(`Cannot store ${`value${"[0].in".repeat(20)}`.slice(0, 80)}...: it is`) ||
        message.startsWith(`Cannot store ${`value${".in[0]".repeat(20)}`.slice(0, 80)}...: it is`),
      message,
    );
    assertThrows(() => check(nested(100_000)), TypeError); // and no overflow
  }
});

Deno.test("copyJson() blames what JSON cannot carry, and no depth that it can, at the greatest depth too", () => {
  const inside = (depth: number, innermost: unknown) => {
    let value = innermost;
    for (let level = 0; level < depth; level++) value = [value];
    return value;
  };
  for (const check of [copyJson, encodeJson, requireJson]) {
    for (const depth of [150, MAX_JSON_DEPTH]) {
      const path = `value${"[0]".repeat(depth)}`;
      assertThrows(() => check(inside(depth, NaN)), TypeError, `Cannot store ${path}: JSON cannot carry NaN`);
    }
    const beside = [inside(MAX_JSON_DEPTH - 1, 1), NaN];
    assertThrows(() => check(beside), TypeError, "Cannot store value[1]: JSON cannot carry NaN");
  }
});

function refusalOf(check: () => unknown): string | null {
  try {
    check();
    return null;
  } catch (error) {
    assert(error instanceof TypeError);
    return error.message;
  }
}
