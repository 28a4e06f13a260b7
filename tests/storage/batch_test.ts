/** Batches: checked before any engine sees them, with defaults filled in. @module */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { MAX_DURATION_MS } from "../../src/check.ts";
import type { Batch, ClaimOptions, EnqueueOperation, Operation } from "../../src/storage/backend.ts";
import {
  listLimit,
  MAX_CLAIM_LIMIT,
  MAX_ERROR_LENGTH,
  MAX_MESSAGE_ID_LENGTH,
  mergeBatches,
  messagesLimit,
  prepareBatch,
  prepareClaim,
  type PreparedOperation,
  requireLimit,
  requireState,
} from "../../src/storage/batch.ts";
import { encodeJson } from "../../src/storage/json.ts";
import { encodeKey } from "../../src/storage/key.ts";

const ENQUEUE: EnqueueOperation = {
  type: "enqueue",
  queue: ["q"],
  id: "id",
  value: { n: 1 },
  priority: 5,
  maxAttempts: 3,
  dedupeMs: 1000,
  capacity: 10,
};
const LEASE = { queue: ["q"], id: "id", token: "token" };

const prepare = (...operations: unknown[]) =>
  prepareBatch({ operations: operations as Operation[] }, encodeJson).operations;

Deno.test("prepareBatch() encodes keys and values and fills in defaults", () => {
  const queue = encodeKey(["q"]);
  const key = encodeKey(["k", "1"]);
  const lease = { queue, id: "id", token: "token" };
  const cases: [operation: Operation, prepared: PreparedOperation<string>][] = [
    [{ type: "set", key: ["k", "1"], value: [1] }, {
      type: "set",
      key,
      value: "[1]",
      expiresInMs: null,
      tracked: false,
    }],
    [{ type: "set", key: ["k", "1"], value: 1, expiresInMs: Infinity }, {
      type: "set",
      key,
      value: "1",
      expiresInMs: null,
      tracked: false,
    }],
    [{ type: "set", key: ["k", "1"], value: 1, expiresInMs: 5, tracked: true }, {
      type: "set",
      key,
      value: "1",
      expiresInMs: 5,
      tracked: true,
    }],
    [{ type: "delete", key: ["k", "1"] }, { type: "delete", key }],
    [ENQUEUE, { ...ENQUEUE, queue, value: '{"n":1}', delayMs: 0 }],
    [{ ...ENQUEUE, delayMs: 7 }, { ...ENQUEUE, queue, value: '{"n":1}', delayMs: 7 }],
    [{ type: "ack", ...LEASE }, { type: "ack", ...lease }],
    [{ type: "retry", ...LEASE }, { type: "retry", ...lease, delayMs: 0, error: null }],
    [{ type: "retry", ...LEASE, delayMs: 5, error: "why" }, { type: "retry", ...lease, delayMs: 5, error: "why" }],
    [{ type: "bury", ...LEASE }, { type: "bury", ...lease, error: null }],
    [{ type: "extend", ...LEASE, leaseMs: 5 }, { type: "extend", ...lease, leaseMs: 5 }],
    [{ type: "redrive", queue: ["q"], id: "id" }, { type: "redrive", queue, id: "id" }],
    [{ type: "purge", queue: ["q"], id: "id" }, { type: "purge", queue, id: "id" }],
  ];
  for (const [operation, prepared] of cases) assertEquals(prepare(operation), [prepared]);
});

Deno.test("prepareBatch() encodes checks and topics, and does without them", () => {
  const batch: Batch = {
    checks: [{ key: ["a"], version: null }, { key: ["b"], version: "7" }],
    operations: [],
    notify: [["t"]],
  };
  assertEquals(prepareBatch(batch, encodeJson), {
    checks: [{ key: encodeKey(["a"]), version: null }, { key: encodeKey(["b"]), version: "7" }],
    operations: [],
    notify: [encodeKey(["t"])],
  });
  assertEquals(prepareBatch({ operations: [] }, encodeJson), { checks: [], operations: [], notify: [] });
});

Deno.test("prepareBatch() keeps nothing of what it was not asked for", () => {
  const [prepared] = prepare({ ...ENQUEUE, constructor: "x", extra: 1 });
  assert(prepared);
  assertEquals(Object.keys(prepared).includes("extra"), false);
});

Deno.test("prepareBatch() takes each bound itself, and fractions of milliseconds", () => {
  prepare({ ...ENQUEUE, priority: 0, delayMs: 0, maxAttempts: 1, dedupeMs: 0, capacity: 1, id: "x" });
  prepare({
    ...ENQUEUE,
    priority: 9,
    delayMs: MAX_DURATION_MS,
    maxAttempts: 1_000_000,
    dedupeMs: MAX_DURATION_MS,
    capacity: Number.MAX_SAFE_INTEGER,
    id: "x".repeat(MAX_MESSAGE_ID_LENGTH),
  });
  prepare({ type: "extend", ...LEASE, leaseMs: 1 }, { type: "set", key: ["k"], value: 1, expiresInMs: 1.5 });
});

Deno.test("prepareBatch() cuts a long error to well-formed text", () => {
  const [long] = prepare({ type: "bury", ...LEASE, error: "x".repeat(MAX_ERROR_LENGTH + 1) });
  assert(long?.type === "bury");
  assertEquals(long.error, "x".repeat(MAX_ERROR_LENGTH));
  // A pair that is cut through leaves no half of it.
  const [cut] = prepare({ type: "retry", ...LEASE, error: "x".repeat(MAX_ERROR_LENGTH - 1) + "\u{1f600}" });
  assert(cut?.type === "retry");
  assertEquals(cut.error, "x".repeat(MAX_ERROR_LENGTH - 1) + "\ufffd");
});

Deno.test("prepareBatch() refuses 101 checks and operations, and takes 100", () => {
  const operations = Array.from({ length: 60 }, (_, index): Operation => ({ type: "delete", key: ["k", `${index}`] }));
  const checks = (count: number) => Array.from({ length: count }, () => ({ key: ["c"], version: null }));
  prepareBatch({ checks: checks(40), operations }, encodeJson);
  assertThrows(
    () => prepareBatch({ checks: checks(41), operations }, encodeJson),
    RangeError,
    "at most 100 checks and operations go together, got 101",
  );
});

Deno.test("prepareBatch() refuses a key or a message that is named twice", () => {
  const same: [first: Operation, second: Operation, what: string][] = [
    [{ type: "set", key: ["a", "b"], value: 1 }, { type: "delete", key: ["a", "b"] }, "key"],
    [ENQUEUE, { type: "purge", queue: ["q"], id: "id" }, "message"],
    [{ type: "ack", ...LEASE }, { ...ENQUEUE }, "message"],
  ];
  for (const [first, second, what] of same) {
    assertThrows(
      () => prepare(first, second),
      TypeError,
      `operations[1] is about the same ${what} as an operation before it`,
    );
  }
});

Deno.test("prepareBatch() tells apart keys and messages that read alike when put together", () => {
  assertEquals(
    prepare(
      { type: "set", key: ["q"], value: 1 },
      { ...ENQUEUE, queue: ["q"], id: "q" },
      { ...ENQUEUE, queue: ["q"], id: "b\x01c" },
      { ...ENQUEUE, queue: ["q", "b"], id: "c" },
      { ...ENQUEUE, queue: ["q"], id: "\0c" },
      { ...ENQUEUE, queue: ["q", ""], id: "c" },
      { ...ENQUEUE, queue: ["q\0"], id: "c" },
      { type: "delete", key: ["q", "q"] },
    ).length,
    8,
  );
});

Deno.test("prepareBatch() says which of several operations it refuses, and keeps the error's class", () => {
  const good = { type: "delete", key: ["k"] };
  assertThrows(
    () => prepare(good, { ...ENQUEUE, priority: 10 }),
    RangeError,
    "priority: it must be from 0 to 9, got 10 (in operations[1])",
  );
  assertThrows(
    () => prepare(good, good, { ...ENQUEUE, value: NaN }),
    TypeError,
    "Cannot store value: JSON cannot carry NaN (in operations[2])",
  );
  assertThrows(
    () => prepare({ ...ENQUEUE, id: "" }),
    RangeError,
    "Cannot use id: it must have 1 to 256 characters, got 0",
  );
});

Deno.test("prepareBatch() refuses ids that are not well-formed", () => {
  for (const id of ["\ud800", "a\udc00b"]) assertThrows(() => prepare({ ...ENQUEUE, id }), TypeError, "lone surrogate");
});

Deno.test("prepareClaim() encodes the queue and fills in the limit", () => {
  assertEquals(prepareClaim(["q"], { leaseMs: 5 }), { queue: encodeKey(["q"]), leaseMs: 5, limit: 1 });
  assertEquals(prepareClaim(["q"], { leaseMs: 5, limit: MAX_CLAIM_LIMIT }).limit, MAX_CLAIM_LIMIT);
  for (
    const options of [{ leaseMs: 0 }, { leaseMs: Infinity }, { leaseMs: 5, limit: 0 }, { leaseMs: 5, limit: 1.5 }, {
      leaseMs: 5,
      limit: 1001,
    }]
  ) {
    assertThrows(() => prepareClaim(["q"], options), RangeError, "it must be");
  }
  assertThrows(
    () => prepareClaim(["q"], { leaseMs: "5" } as unknown as ClaimOptions),
    TypeError,
    "leaseMs: it must be a number, got string",
  );
});

Deno.test("requireLimit() takes whole numbers from 0, and no limit", () => {
  assertEquals([requireLimit(), requireLimit(0), requireLimit(7), requireLimit(Infinity)], [Infinity, 0, 7, Infinity]);
  for (const limit of [-1, 1.5, NaN, -Infinity]) {
    assertThrows(() => requireLimit(limit), RangeError, "limit: it must be");
  }
});

Deno.test("listLimit() and messagesLimit() give the limit, and refuse what they do not know", () => {
  assertEquals([listLimit({}), listLimit({ limit: 3, reverse: true, after: ["a"] })], [Infinity, 3]);
  assertEquals([messagesLimit({}), messagesLimit({ limit: 3 })], [Infinity, 3]);
  const misspelt = { limit: 3, reversed: true };
  assertThrows(() => listLimit(misspelt), TypeError, "reversed: list() takes only limit, reverse, after");
  assertThrows(() => messagesLimit(misspelt), TypeError, "reversed: messages() takes only limit");
});

Deno.test("requireState() takes the four states", () => {
  for (const state of ["ready", "delayed", "leased", "dead"] as const) assertEquals(requireState(state), state);
  assertThrows(() => requireState("waiting" as "ready"), TypeError, "it must be one of ready, delayed, leased, dead");
});

Deno.test("mergeBatches() puts checks, operations and topics one behind the other", () => {
  const check = { key: ["a"], version: null };
  const operation: Operation = { type: "delete", key: ["a"] };
  const merged = mergeBatches({ operations: [operation] }, { checks: [check], operations: [], notify: [["t"]] }, {
    operations: [ENQUEUE],
  });
  assertEquals(merged, { checks: [check], operations: [operation, ENQUEUE], notify: [["t"]] });
});
