/** Cases: any string is legal in a key and in a message id, and any JSON value comes back as it was. @module */

import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type { Operation, StorageBackend } from "../../storage/backend.ts";
import { collect } from "../../storage/es2024.ts";
import { type JsonValue, MAX_JSON_DEPTH } from "../../storage/json.ts";
import { compareEncoded, encodeKey, type Key, MAX_KEY_BYTES } from "../../storage/key.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import {
  claim,
  claimOne,
  codeOf,
  commit,
  commitMany,
  dump,
  entryOf,
  idsOf,
  lease,
  listKeys,
  message,
  QUEUE,
  record,
  rejection,
  send,
  stored,
} from "../steps.ts";

/** Cases about hostile keys, ids and values. */
export const hostileCases: readonly ConformanceCase[] = [
  {
    name: "hostile keys: two different tuples never meet, as records",
    run: async ({ backend }) => {
      const keys = hostileKeys();
      await commitMany(backend, keys.map((key, index) => record(key, index)));
      const entries = await backend.get(keys);
      assert.deepEqual(entries.map((entry) => entry?.value), keys.map((_, index) => index));
      assert.deepEqual(entries.map((entry) => entry?.key), keys);
      assert.deepEqual(await listKeys(backend, []), keys.toSorted(byKey));
      for (const part of HOSTILE_PARTS) {
        const below = keys.filter((key) => key.length > 1 && key[0] === part).toSorted(byKey);
        assert.deepEqual(await listKeys(backend, [part]), below, JSON.stringify(part));
        assert.equal(await backend.count([part]), below.length);
      }
      const gone = keys.filter((_, index) => index % 2 === 0);
      await commitMany(backend, gone.map((key) => ({ type: "delete", key })));
      assert.deepEqual(await listKeys(backend, []), keys.filter((_, index) => index % 2 === 1).toSorted(byKey));
    },
  },
  {
    name: "hostile keys: two different tuples never meet, as queues",
    run: async ({ backend }) => {
      const keys = hostileKeys();
      await commitMany(backend, keys.map((queue, index) => message("same", { queue, value: index })));
      assert.deepEqual(await collect(backend.queues()), keys.toSorted(byKey));
      const acks: Operation[] = [];
      for (const [index, queue] of keys.entries()) {
        const delivery = await claimOne(backend, LONG_MS, queue);
        assert.deepEqual([delivery.queue, delivery.value], [queue, index]);
        acks.push({ type: "ack", ...lease(delivery) });
      }
      await commitMany(backend, acks);
      assert.deepEqual(await collect(backend.queues()), []);
    },
  },
  {
    name: "hostile keys: clear() counts a record once, whatever it is called and whatever is tracked beside it",
    run: async ({ backend }) => {
      const names = Array.from({ length: 26 }, (_, index) => String.fromCharCode(97 + index));
      await commitMany(backend, [...names, ""].map((name) => record([`${name}parent`], name)));
      await commit(backend, [{ ...record(["parent", "child"], 1), tracked: true }]);
      assert.equal(await backend.clear([]), 28);
      assert.deepEqual(await listKeys(backend, []), []);
    },
  },
  {
    name: "hostile keys: the longest key is legal, as a record and as a queue",
    run: async ({ backend }) => {
      const ascii = ["x".repeat(MAX_KEY_BYTES - 1)];
      const wide = ["\u{1F600}".repeat((MAX_KEY_BYTES - 1 - 3) / 4), "ab"];
      const many = Array.from({ length: MAX_KEY_BYTES }, () => "");
      for (const key of [ascii, wide, many]) {
        await commit(backend, [record(key, 1), message("m", { queue: key })]);
        assert.deepEqual(
          await backend.get([[...key.slice(0, -1), `${key.at(-1)?.slice(1)}`]]),
          key === many ? await backend.get([key]) : [null],
        );
        assert.deepEqual((await claimOne(backend, LONG_MS, key)).queue, key);
      }
      assert.equal(await backend.count([]), 3);
      assert.equal(await backend.clear([]), 3);
    },
  },
  {
    name: "hostile ids: any well-formed text of 1 to 256 characters names a message",
    run: async ({ backend }) => {
      const ids = [
        ...HOSTILE_PARTS.filter((part) => part.length > 0 && part.isWellFormed()),
        "x".repeat(256),
        `${"x".repeat(255)}y`,
        "\u{1F600}".repeat(128),
        "\0".repeat(256),
      ];
      await commitMany(backend, ids.map((id) => message(id, { value: id })));
      assert.deepEqual(idsOf(await stored(backend, "ready")), ids);
      const deliveries = await claim(backend, 1000);
      assert.deepEqual(deliveries.map(({ id, value }) => [id, value]), ids.map((id) => [id, id]));
      await commitMany(backend, deliveries.map((held) => ({ type: "bury", ...lease(held) })));
      assert.deepEqual(idsOf(await stored(backend, "dead")), ids);
      await commitMany(backend, ids.map((id) => ({ type: "redrive", queue: QUEUE, id })));
      const again = await claim(backend, 1000);
      assert.deepEqual(idsOf(again), ids);
      await commitMany(backend, again.map((held) => ({ type: "ack", ...lease(held) })));
      const results = [];
      for (const id of ids) results.push(...await commit(backend, [message(id)]));
      assert.ok(results.every((result) => result.type === "enqueue" && result.duplicate), "each is remembered");
    },
  },
  {
    name: "hostile ids: a queue with an id never meets another queue with another id",
    run: async ({ backend }) => {
      // Each pair is one text when the parts are put together, with or without a separator.
      const pairs: readonly (readonly [Key, string])[] = [
        [["a"], "b\x01c"],
        [["a", "b"], "c"],
        [["a", "b", ""], "c"],
        [["a"], "b\0c"],
        [["a\0b"], "c"],
        [["a:b"], "c"],
        [["a"], "b:c"],
        [["a"], "bc"],
        [["ab"], "c"],
        [["a\x02"], "c"],
        [["a"], "\x04c"],
      ];
      await commitMany(backend, pairs.map(([queue, id], index) => message(id, { queue, value: index })));
      await commit(backend, [{ type: "purge", queue: ["a", "b"], id: "c" }, record(["a", "b"], 1)]);
      for (const [index, [queue, id]] of pairs.entries()) {
        const found = (await stored(backend, "ready", queue)).filter((each) => each.id === id);
        assert.deepEqual(found.map(({ value }) => value), index === 1 ? [] : [index]);
      }
      const results = await commitMany(backend, pairs.map(([queue, id]) => message(id, { queue, dedupeMs: 0 })));
      assert.ok(results.every((result) => result.type === "enqueue" && result.duplicate), "each is remembered");
    },
  },
  {
    name: "hostile values: JSON comes back as it was, from records, messages and the dead",
    run: async ({ backend }) => {
      await commitMany(backend, HOSTILE_VALUES.map((value, index) => record(["v", String(index)], value)));
      await commitMany(backend, HOSTILE_VALUES.map((value, index) => message(`m${index}`, { value })));
      const expected = HOSTILE_VALUES.map((value): JsonValue => JSON.parse(JSON.stringify(value)));
      const entries = await backend.get(HOSTILE_VALUES.map((_, index) => ["v", String(index)]));
      assert.deepEqual(entries.map((entry) => entry?.value), expected);
      assert.deepEqual((await stored(backend, "ready")).map(({ value }) => value), expected);
      const deliveries = await claim(backend, 100);
      assert.deepEqual(deliveries.map(({ value }) => value), expected);
      await commitMany(backend, deliveries.map((held) => ({ type: "bury", ...lease(held) })));
      assert.deepEqual((await stored(backend, "dead")).map(({ value }) => value), expected);
      assert.equal(({} as Record<string, unknown>)["polluted"], undefined, "no prototype was touched");
    },
  },
  {
    name: "hostile values: up to 10 MB, a value comes back whole or is refused as VALUE_TOO_LARGE, and is never cut",
    run: async ({ backend }) => {
      const wide = {
        text: "\u{1F600}\0é\ud800".repeat(3_000),
        numbers: Array.from({ length: 5_000 }, (_, index) => index / 7),
      };
      await keepOrRefuse(backend, wide);
      for (const bytes of [60_000, 1_000_000, 10_000_000]) await keepOrRefuse(backend, ofSize(bytes));
    },
  },
  {
    name: "hostile values: the largest value that the traits name fits, one byte more does not",
    run: async ({ backend }) => {
      // Beyond this, a test would cost more than it tells.
      const largest = Math.min(backend.traits.maxValueBytes, 32_000_000);
      await keepOrRefuse(backend, ofSize(largest));
      await keepOrRefuse(backend, ofSize(largest + 1));
    },
  },
  {
    name: "hostile values: a large value is replaced by a small one without a trace",
    run: async ({ backend }) => {
      const large = "x".repeat(Math.min(300_000, backend.traits.maxValueBytes - 2));
      for (const value of [large, "small", large, [large.length]]) {
        await commit(backend, [record(["key"], value)]);
        assert.deepEqual((await backend.get([["key"]]))[0]?.value, value);
        assert.equal(await backend.count([]), 1);
      }
      await send(backend, message("m", { value: large, dedupeMs: 0 }));
      await commit(backend, [{ type: "ack", ...lease(await claimOne(backend)) }, { type: "delete", key: ["key"] }]);
      await send(backend, message("m", { value: 0, dedupeMs: 0 }));
      assert.equal((await claimOne(backend)).value, 0);
    },
  },
];

/** A value whose JSON text has so many bytes. */
function ofSize(bytes: number): string {
  return "x".repeat(bytes - 2);
}

/** Requires that a value comes back whole, as a record and as a message, or is refused where it is too large. */
async function keepOrRefuse(backend: StorageBackend, value: JsonValue): Promise<void> {
  const fits = new TextEncoder().encode(JSON.stringify(value)).length <= backend.traits.maxValueBytes;
  for (const operation of [record(["large"], value), message("large", { value, dedupeMs: 0 })]) {
    if (fits) await commit(backend, [operation]);
    else {
      const error = await rejection(() => backend.commit({ operations: [record(["small"], 1), operation] }));
      assert.equal(codeOf(error), "VALUE_TOO_LARGE");
    }
  }
  if (fits) {
    // Not by deepEqual, which would print the whole of it.
    assert.ok(isDeepStrictEqual((await entryOf(backend, ["large"])).value, value), "the record is whole");
    assert.ok(isDeepStrictEqual((await collect(backend.list([])))[0]?.value, value), "the listed record is whole");
    const delivery = await claimOne(backend);
    assert.ok(isDeepStrictEqual(delivery.value, value), "the message is whole");
    await commit(backend, [{ type: "ack", ...lease(delivery) }, { type: "delete", key: ["large"] }]);
  }
  assert.deepEqual(await dump(backend), { records: [], queues: [] });
}

const byKey = (a: Key, b: Key): number => compareEncoded(encodeKey(a), encodeKey(b));

// What separators, patterns, encodings, languages and prototypes make of strings.
const HOSTILE_PARTS: readonly string[] = [
  "",
  " ",
  ":",
  "*",
  "%",
  "_",
  "?",
  "[a-z]",
  "{tag}",
  "/",
  "\\",
  '"',
  "'; DROP TABLE records; --",
  "${x}",
  "\0",
  "\0\0",
  "\x01",
  "\x02",
  "\x02\x02",
  "\x02\x05d800",
  "\x1f",
  "\x7f",
  "\x80",
  "\xff",
  "\n",
  "\u2028",
  "\ufeff",
  "\ufffd",
  "\uffff",
  "\u{10ffff}",
  "\u{1f600}",
  "\ud800",
  "\udc00",
  "\udc00\ud800",
  "a\ud83dz",
  "\xe9",
  "e\u0301", // the same letter in another form, and another key
  "\u0130",
  "ss",
  "\xdf",
  "a",
  "A",
  "a\0",
  "a\x01",
  "tenant/acme",
  "tenant/acme-corp",
  "tenant",
  "acme",
  "0",
  "00",
  "-1",
  "1e3",
  "null",
  "undefined",
  "__proto__",
  "constructor",
  "toString",
  "x".repeat(200),
];

/** Tuples that many an encoding would confuse. */
function hostileKeys(): Key[] {
  const keys = HOSTILE_PARTS.flatMap((part, index): Key[] => [
    [part],
    [part, ""],
    ["", part],
    [part, part],
    ["p", part, HOSTILE_PARTS.at(-index) ?? ""],
  ]);
  const distinct = new Map(keys.map((key) => [JSON.stringify(key), key]));
  return [...distinct.values()];
}

const HOSTILE_VALUES: readonly JsonValue[] = [
  null,
  true,
  false,
  0,
  -0, // JSON has no negative zero: it comes back as 0
  1e308,
  Number.MAX_VALUE,
  Number.MIN_VALUE,
  -5e-324,
  Number.MAX_SAFE_INTEGER,
  -9007199254740993,
  2 ** 53 + 2,
  0.1 + 0.2,
  1e21,
  123456789.123456789,
  "",
  '\0\x01\x02\x1f"\\/\b\f\n\r\t\x7f\x80\u2028\u2029\ufeff\uffff\u{1f600}\u{10ffff}',
  "\ud800",
  "a\udc00b",
  "null",
  "{}",
  [],
  [[], [[]], {}],
  {},
  { "": "" },
  { "a:b": 1, "a.b": 2, "a b": 3, "\0": 4, "\ud800": 5 },
  JSON.parse('{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}'),
  { toString: "x", hasOwnProperty: null, length: 3, then: "not a promise" },
  { 2: "b", 1: "a", z: 1, a: 2 },
  nested(MAX_JSON_DEPTH),
  Array.from({ length: 1000 }, (_, index) => index),
];

/** Arrays and objects in turn, so many deep. */
function nested(depth: number): JsonValue {
  let value: JsonValue = "bottom";
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { in: value };
  return value;
}
