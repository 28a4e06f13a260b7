/** Cases: a caller's mistake is refused, naming the field and the rule, and leaves the store as it was. @module */

import assert from "node:assert/strict";
import { MAX_DURATION_MS } from "../../check.ts";
import type { Batch, Operation, StorageBackend } from "../../storage/backend.ts";
import { collect } from "../../storage/es2024.ts";
import { MAX_KEY_BYTES } from "../../storage/key.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import { claimIds, claimOne, commit, dump, lease, message, QUEUE, record, rejection, send } from "../steps.ts";

/** What is wrong, the call that is wrong, and what the error must name. */
type Mistake = readonly [what: string, call: (backend: StorageBackend) => Promise<unknown>, names: RegExp];

/** Cases about bad input. */
export const badInputCases: readonly ConformanceCase[] = [
  { name: "bad input: a batch that is none", run: ({ backend }) => refuseAll(backend, batchMistakes()) },
  { name: "bad input: a key that is none", run: ({ backend }) => refuseAll(backend, keyMistakes()) },
  {
    name: "bad input: a value that JSON cannot carry, naming the path",
    run: ({ backend }) => refuseAll(backend, valueMistakes()),
  },
  {
    name: "bad input: a message id, priority, bound or duration out of its range",
    run: ({ backend }) => refuseAll(backend, fieldMistakes()),
  },
  {
    name: "bad input: options of claim(), list() and messages() out of their range",
    run: ({ backend }) => refuseAll(backend, optionMistakes()),
  },
];

async function refuseAll(backend: StorageBackend, mistakes: readonly Mistake[]): Promise<void> {
  await commit(backend, [record(["key"], "there")]);
  await send(backend, message("leased"), message("ready"));
  const held = await claimOne(backend);
  const before = await dump(backend);
  for (const [what, call, names] of mistakes) {
    const error = await rejection(() => call(backend)).catch((failure) => {
      throw new assert.AssertionError({ message: `${what}: ${failure.message}` });
    });
    assert.ok(error instanceof TypeError || error instanceof RangeError, `${what}: ${error.name}: ${error.message}`);
    assert.ok(names.test(error.message), `${what}: the error names ${names}, got: ${error.message}`);
    assert.ok(
      /^Cannot .*[^.]$/s.test(error.message),
      `${what}: the error is in the house's form, got: ${error.message}`,
    );
  }
  assert.deepEqual(await dump(backend), before, "the store is as it was");
  // A refused call leaves nothing behind that the next would trip over.
  await commit(backend, [{ type: "ack", ...lease(held) }]);
  assert.deepEqual(await claimIds(backend, 10), ["ready"]);
}

/** A call that commits, after a good operation, one that the types forbid. */
function committing(...operations: readonly unknown[]): (backend: StorageBackend) => Promise<unknown> {
  return (backend) => backend.commit({ operations: [record(["good"], 1), ...operations] as Operation[] });
}

/** A call with a batch that the types forbid. */
function batch(wrong: unknown): (backend: StorageBackend) => Promise<unknown> {
  return (backend) => backend.commit(wrong as Batch);
}

function batchMistakes(): Mistake[] {
  const records = Array.from({ length: 101 }, (_, index) => record(["n", String(index)], index));
  const checks = Array.from({ length: 51 }, (_, index) => ({ key: ["n", String(index)], version: null }));
  const held = { queue: QUEUE, id: "leased", token: "token" };
  return [
    ["no batch", batch(undefined), /operations must be an array/],
    ["no operations", batch({}), /operations must be an array/],
    ["operations that are no array", batch({ operations: "set" }), /operations must be an array/],
    ["checks that are no array", batch({ checks: {}, operations: [] }), /checks must be an array/],
    ["topics that are no array", batch({ operations: [], notify: "topic" }), /notify must be an array/],
    ["a check that is null", batch({ checks: [null], operations: [] }), /checks\[0\] must be a check, got null/],
    ["101 operations", batch({ operations: records }), /at most 100 checks and operations.* 101/],
    [
      "101 checks and operations",
      batch({ checks, operations: records.slice(0, 50) }),
      /at most 100 checks and operations.* 101/,
    ],
    ["an operation of no known type", committing({ type: "upsert", key: ["a"] }), /type.*operations\[1\]/],
    ["an operation that is null", committing(null), /operations\[1\]/],
    [
      "a version that is no string",
      batch({ checks: [{ key: ["a"], version: 1 }], operations: [] }),
      /checks\[0\]\.version.*string/,
    ],
    ["a version that is missing", batch({ checks: [{ key: ["a"] }], operations: [] }), /checks\[0\]\.version/],
    [
      "the same key twice",
      committing(record(["twice"], 1), { type: "delete", key: ["twice"] }),
      /operations\[2\].*same key/,
    ],
    [
      "the same message twice",
      committing(message("a"), { type: "purge", queue: QUEUE, id: "a" }),
      /operations\[2\].*same message/,
    ],
    [
      "the same lease twice",
      committing({ type: "ack", ...held }, { type: "bury", ...held }),
      /operations\[2\].*same message/,
    ],
    [
      "a topic that is no key",
      batch({ operations: [record(["good"], 1)], notify: ["topic"] }),
      /key.*array of strings/,
    ],
  ];
}

function keyMistakes(): Mistake[] {
  const wrong = (key: unknown) => key as string[];
  const long = ["x".repeat(MAX_KEY_BYTES)];
  const wide = ["\u{1F600}".repeat(MAX_KEY_BYTES / 4)];
  return [
    ["a string as a key", committing(record(wrong("key"), 1)), /key.*array of strings/],
    ["no key", committing({ type: "delete" }), /key.*array of strings/],
    ["a number in a key", committing(record(wrong(["a", 1]), 1)), /key.*part 1.*string.*number/],
    ["null in a key", committing(record(wrong([null]), 1)), /key.*part 0.*string.*null/],
    ["a hole in a key", committing(record(wrong(Array.from({ length: 2 })), 1)), /key.*part 0.*string/],
    ["a record of the empty key", committing(record([], 1)), /key.*at least one part/],
    ["a queue of the empty key", committing(message("a", { queue: [] })), /key.*at least one part/],
    ["a key that is too long", committing(record(long, 1)), /key.*1025 bytes.*1024/],
    ["a key that is too long in UTF-8", committing(record(wide, 1)), /key.*1025 bytes.*1024/],
    ["a queue that is no key", committing(message("a", { queue: wrong({}) })), /key.*array of strings/],
    ["a check of no key", batch({ checks: [{ key: 5, version: null }], operations: [] }), /key.*array of strings/],
    ["get() of no key", (backend) => backend.get([["key"], wrong("key")]), /key.*array of strings/],
    ...[undefined, null, "key", {}].map((keys): Mistake => [
      `get() of ${keys}`,
      (backend) => backend.get(wrong(keys) as unknown as string[][]),
      /keys: they must be an array of keys/,
    ]),
    ["list() of no prefix", (backend) => collect(backend.list(wrong("key"))), /key.*array of strings/],
    ["list() after no key", (backend) => collect(backend.list([], { after: wrong("key") })), /key.*array of strings/],
    ["count() of no prefix", (backend) => backend.count(wrong(undefined)), /key.*array of strings/],
    ["clear() of no prefix", (backend) => backend.clear(wrong(undefined)), /key.*array of strings/],
    ["claim() from no queue", (backend) => backend.claim(wrong("queue"), { leaseMs: 1000 }), /key.*array of strings/],
    ["recover() of no queue", (backend) => backend.recover(wrong("queue")), /key.*array of strings/],
    ["recover() of null", (backend) => backend.recover(wrong(null)), /key.*array of strings/],
    ["recover() of nothing", (backend) => backend.recover(wrong("")), /key.*array of strings/],
    ["changes() below no key", (backend) => backend.changes(wrong(null)), /key.*array of strings/],
    ["changes() after no cursor", (backend) => backend.changes(["a"], wrong(5) as never), /after: it must be a string/],
    ["stats() of no queue", (backend) => backend.stats(wrong(undefined)), /key.*array of strings/],
    ["messages() of no queue", (backend) => collect(backend.messages(wrong(1), "ready")), /key.*array of strings/],
    ["queues() below no prefix", (backend) => collect(backend.queues(wrong("queue"))), /key.*array of strings/],
    ["listen() to no topic", (backend) => backend.listen(wrong("topic"), () => {}), /key.*array of strings/],
  ];
}

function valueMistakes(): Mistake[] {
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  let deep: unknown = 1;
  for (let level = 0; level <= 200; level++) deep = [deep];
  const holes: unknown[] = [1];
  holes[2] = 3;
  const values: readonly (readonly [string, unknown, RegExp])[] = [
    ["undefined", undefined, /value: .*undefined/],
    ["undefined within", { a: [1, { "b c": undefined }] }, /value\.a\[1\]\["b c"\]: .*undefined/],
    ["NaN", NaN, /value: .*NaN/],
    ["an infinity within", [[-Infinity]], /value\[0\]\[0\]: .*-Infinity/],
    ["a function", { run: () => {} }, /value\.run: .*function/],
    ["a symbol", Symbol("s"), /value: .*symbol/],
    ["a bigint", { n: 5n }, /value\.n: .*bigint/],
    ["a date", { at: new Date(0) }, /value\.at: .*Date/],
    ["a map", new Map([["a", 1]]), /value: .*Map/],
    ["bytes", { bytes: new Uint8Array(2) }, /value\.bytes: .*Uint8Array/],
    ["an object of a class", { error: new Error("x") }, /value\.error: .*Error/],
    ["an array with a hole", holes, /value\[1\]: .*undefined/],
    ["a value that contains itself", circle, /value.*(deeper than 200|contains itself)/],
    ["a value that is nested too deeply", deep, /value.*deeper than 200/],
  ];
  return values.flatMap(([what, value, names]): Mistake[] => {
    const path = new RegExp(`${names.source}.*operations\\[1\\]`);
    return [
      [`${what}, in a record`, committing({ type: "set", key: ["bad"], value }), path],
      [`${what}, in a message`, committing({ ...message("bad"), value }), path],
    ];
  });
}

function fieldMistakes(): Mistake[] {
  const fields: readonly (readonly [operation: Record<string, unknown>, field: string, values: readonly unknown[]])[] =
    [
      [{ ...message("new") }, "id", [undefined, 5, "", "x".repeat(257), "lone \ud800"]],
      [{ ...message("new") }, "priority", [undefined, "5", NaN, -1, 10, 1.5]],
      [{ ...message("new") }, "delayMs", [null, "1", NaN, -1, Infinity, MAX_DURATION_MS + 1]],
      [{ ...message("new") }, "maxAttempts", [undefined, NaN, 0, 1.5, Infinity]],
      [{ ...message("new") }, "dedupeMs", [undefined, NaN, -1, Infinity]],
      [{ ...message("new") }, "capacity", [undefined, NaN, 0, 1.5]],
      [{ type: "set", key: ["new"], value: 1 }, "expiresInMs", [null, "1", NaN, 0, -1, MAX_DURATION_MS + 1]],
      [{ type: "ack", queue: QUEUE, id: "leased", token: "token" }, "token", [undefined, 5, ""]],
      [{ type: "ack", queue: QUEUE, id: "leased", token: "token" }, "id", [undefined, "", "lone \udc00"]],
      [{ type: "retry", queue: QUEUE, id: "leased", token: "token" }, "delayMs", [null, NaN, -1, Infinity]],
      [{ type: "retry", queue: QUEUE, id: "leased", token: "token" }, "error", [null, 5, new Error("x")]],
      [{ type: "bury", queue: QUEUE, id: "leased", token: "token" }, "error", [null, {}]],
      [{ type: "extend", queue: QUEUE, id: "leased", token: "token" }, "leaseMs", [
        undefined,
        NaN,
        0,
        -1,
        Infinity,
        MAX_DURATION_MS + 1,
      ]],
      [{ type: "redrive", queue: QUEUE, id: "leased" }, "id", [undefined, "", "x".repeat(257)]],
      [{ type: "purge", queue: QUEUE, id: "leased" }, "id", [undefined, ""]],
    ];
  return fields.flatMap(([operation, field, values]) =>
    values.map((value): Mistake => [
      `${operation["type"]} with the ${field} ${String(value).slice(0, 20)}`,
      committing({ ...operation, [field]: value }),
      new RegExp(`${field}: it must .+operations\\[1\\]`),
    ])
  );
}

function optionMistakes(): Mistake[] {
  const wrong = <Value>(value: unknown) => value as Value;
  return [
    ...[undefined, "1", NaN, 0, -1, Infinity, MAX_DURATION_MS + 1].map((leaseMs): Mistake => [
      `claim() with the leaseMs ${leaseMs}`,
      (backend) => backend.claim(QUEUE, { leaseMs: wrong(leaseMs) }),
      /leaseMs: it must /,
    ]),
    ...["1", NaN, 0, -1, 1.5, 1001, Infinity].map((limit): Mistake => [
      `claim() with the limit ${limit}`,
      (backend) => backend.claim(QUEUE, { leaseMs: LONG_MS, limit: wrong(limit) }),
      /limit: it must /,
    ]),
    ...["1", NaN, -1, 1.5].flatMap((limit): Mistake[] => [
      [
        `list() with the limit ${limit}`,
        (backend) => collect(backend.list([], { limit: wrong(limit) })),
        /limit: it must /,
      ],
      [
        `messages() with the limit ${limit}`,
        (backend) => collect(backend.messages(QUEUE, "ready", { limit: wrong(limit) })),
        /limit: it must /,
      ],
    ]),
    [
      "claim() with an option that there is not",
      (backend) => backend.claim(QUEUE, wrong({ leaseMs: LONG_MS, limt: 5 })),
      /limt: claim\(\) takes only leaseMs, limit/,
    ],
    ["claim() with no options", (backend) => backend.claim(QUEUE, wrong(undefined)), /options of claim\(\)/],
    [
      "list() with an option that there is not",
      (backend) => collect(backend.list([], wrong({ reversed: true }))),
      /reversed: list\(\) takes only limit, reverse, after/,
    ],
    [
      "list() with a reverse that is no boolean",
      (backend) => collect(backend.list([], { reverse: wrong("no") })),
      /reverse: it must be true or false/,
    ],
    ["list() with options that are none", (backend) => collect(backend.list([], wrong(null))), /options of list\(\)/],
    ["list() after null", (backend) => collect(backend.list([], { after: wrong(null) })), /key.*array of strings/],
    [
      "messages() with an option that there is not",
      (backend) => collect(backend.messages(QUEUE, "ready", wrong({ after: ["ready"] }))),
      /after: messages\(\) takes only limit/,
    ],
    ["messages() of no state", (backend) => collect(backend.messages(QUEUE, "waiting" as "ready")), /state: it must /],
  ];
}
