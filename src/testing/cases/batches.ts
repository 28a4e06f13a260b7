/** Cases: a batch happens as a whole or not at all, across queues and records. @module */

import assert from "node:assert/strict";
import { MAX_BATCH_SIZE, type Operation } from "../../storage/backend.ts";
import { collect } from "../../storage/es2024.ts";
import type { Key } from "../../storage/key.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import {
  claimIds,
  claimOne,
  commit,
  counts,
  entryOf,
  idsOf,
  lease,
  message,
  only,
  QUEUE,
  record,
  refuse,
  send,
  stored,
  valueOf,
} from "../steps.ts";

const NEXT: Key = ["next"];

/** Cases about batches. */
export const batchCases: readonly ConformanceCase[] = [
  {
    name: "G7 atomic batches: acknowledge, send on and remember in one step",
    run: async ({ backend }) => {
      await send(backend, message("work"));
      const held = lease(await claimOne(backend));
      const results = await commit(backend, [
        { type: "ack", ...held },
        message("follow-1", { queue: NEXT }),
        message("follow-2", { queue: NEXT }),
        record(["learned"], "much"),
        { type: "delete", key: ["none"] },
      ]);
      assert.deepEqual(results.map((result) => result.type === "set" ? "set" : result), [
        { type: "ack" },
        { type: "enqueue", duplicate: false },
        { type: "enqueue", duplicate: false },
        "set",
        { type: "delete", existed: false },
      ]);
      assert.deepEqual(await counts(backend), only({}));
      assert.deepEqual(await claimIds(backend, 10, NEXT), ["follow-1", "follow-2"]);
      assert.equal(await valueOf(backend, ["learned"]), "much");
    },
  },
  {
    name: "G7 atomic batches: a check that does not hold refuses all of it, and a lease survives that",
    run: async ({ backend }) => {
      await commit(backend, [record(["state"], 1)]);
      await send(backend, message("work"), message("dead"));
      const held = lease(await claimOne(backend));
      await commit(backend, [{ type: "bury", ...lease(await claimOne(backend)) }]);
      const operations: Operation[] = [
        { type: "ack", ...held },
        message("follow", { queue: NEXT }),
        record(["state"], 2),
        record(["learned"], "much"),
        { type: "redrive", queue: QUEUE, id: "dead" },
      ];
      const { version } = await entryOf(backend, ["state"]);
      await refuse(backend, { checks: [{ key: ["state"], version: null }], operations }, "conflict", 0);
      const checks = [{ key: ["state"], version }, { key: ["other"], version }];
      await refuse(backend, { checks, operations }, "conflict", 1);
      await commit(backend, operations, checks.slice(0, 1));
      assert.equal(await valueOf(backend, ["state"]), 2);
      assert.deepEqual(await claimIds(backend, 10), ["dead"]);
    },
  },
  {
    name: "G7 atomic batches: one stale token refuses all of it",
    run: async ({ backend }) => {
      await send(backend, message("a"), message("b"));
      const [first, second] = [await claimOne(backend), await claimOne(backend)];
      await commit(backend, [{ type: "retry", ...lease(second), delayMs: LONG_MS }]);
      const operations: Operation[] = [
        record(["learned"], "much"),
        { type: "ack", ...lease(first) },
        message("follow", { queue: NEXT }),
        { type: "ack", ...lease(second) },
        { type: "purge", queue: QUEUE, id: "b" },
      ];
      await refuse(backend, { operations: operations.slice(0, 4) }, "lease_lost", 3);
      await commit(backend, operations.slice(0, 3));
      assert.deepEqual(await counts(backend), only({ delayed: 1 }));
    },
  },
  {
    name: "G7 atomic batches: one full queue refuses all of it",
    run: async ({ backend }) => {
      await send(backend, message("work"), message("there", { queue: NEXT }));
      const held = lease(await claimOne(backend));
      const operations: Operation[] = [
        { type: "ack", ...held },
        message("fits", { queue: NEXT, capacity: 2 }),
        record(["learned"], "much"),
        message("too-much", { queue: NEXT, capacity: 2 }),
      ];
      await refuse(backend, { operations }, "full", 3);
      await commit(backend, operations.slice(0, 3));
      assert.deepEqual(idsOf(await stored(backend, "ready", NEXT)), ["there", "fits"]);
    },
  },
  {
    name: "G7 atomic batches: checks are told before operations, and the first of them",
    run: async ({ backend }) => {
      await commit(backend, [record(["a"], 1)]);
      const lost = { type: "ack", queue: QUEUE, id: "none", token: "none" } as const;
      const checks = [{ key: ["a"], version: null }, { key: ["b"], version: "none" }];
      await refuse(backend, { checks, operations: [lost] }, "conflict", 0);
      await refuse(
        backend,
        { checks: [{ key: ["b"], version: null }], operations: [record(["x"], 1), lost] },
        "lease_lost",
        1,
      );
      await send(backend, message("there"));
      await refuse(backend, { operations: [message("one", { capacity: 1 }), lost] }, "full", 0);
      await refuse(backend, { operations: [lost, message("one", { capacity: 1 })] }, "lease_lost", 0);
    },
  },
  {
    name: "G7 atomic batches: a check compares with what was there before the batch",
    run: async ({ backend }) => {
      const [first] = await commit(backend, [record(["key"], 1)], [{ key: ["key"], version: null }]);
      assert.ok(first?.type === "set");
      await commit(backend, [record(["key"], 2)], [{ key: ["key"], version: first.version }]);
      await refuse(
        backend,
        { checks: [{ key: ["key"], version: first.version }], operations: [record(["key"], 3)] },
        "conflict",
        0,
      );
      // The same value again is a new version: a check tells apart what a comparison of values cannot.
      await commit(backend, [record(["key"], 1)]);
      await refuse(backend, { checks: [{ key: ["key"], version: first.version }], operations: [] }, "conflict", 0);
    },
  },
  {
    name: "commit() takes an empty batch, checks alone, and as many checks and operations as its traits say",
    run: async ({ backend }) => {
      const { maxBatchSize } = backend.traits;
      assert.ok(maxBatchSize >= 10 && maxBatchSize <= MAX_BATCH_SIZE);
      const third = Math.floor(maxBatchSize * 0.3);
      assert.deepEqual(await backend.commit({ operations: [] }), { committed: true, results: [] });
      const checks = Array.from(
        { length: maxBatchSize - 2 * third },
        (_, index) => ({ key: ["c", String(index)], version: null }),
      );
      assert.deepEqual(await backend.commit({ checks, operations: [] }), { committed: true, results: [] });
      const records = Array.from({ length: third }, (_, index) => record(["c", String(index)], index));
      const messages = Array.from(
        { length: third },
        (_, index) => message(`m${index}`, { queue: ["q", String(index % 3)] }),
      );
      await commit(backend, [...records, ...messages], checks);
      assert.equal(await backend.count(["c"]), third);
      assert.deepEqual(await counts(backend, ["q", "1"]), only({ ready: third / 3 }));
      assert.deepEqual(await backend.commit({ checks, operations: [] }), {
        committed: false,
        reason: "conflict",
        index: 0,
      });
    },
  },
  {
    name: "commit() sends, settles and removes as many messages of as many queues as its traits say",
    run: async ({ backend }) => {
      const queues = Array.from({ length: backend.traits.maxBatchSize }, (_, index): Key => ["q", String(index)]);
      await commit(backend, queues.map((queue) => message("m", { queue, capacity: 10 })));
      const held = await Promise.all(queues.map((queue) => claimOne(backend, LONG_MS, queue)));
      await commit(backend, held.map((each) => ({ type: "extend", leaseMs: LONG_MS, ...lease(each) })));
      const again = held.map((each) => ({ ...lease(each), type: "retry" as const }));
      await commit(backend, again);
      const [first] = queues;
      assert.deepEqual(await counts(backend, first), only({ ready: 1 }));
      await commit(backend, queues.map((queue) => ({ type: "purge", queue, id: "m" })));
      assert.deepEqual(await collect(backend.queues()), []);
    },
  },
  {
    name: "commit() keeps records and queues of the same key apart",
    run: async ({ backend }) => {
      await commit(backend, [record(["same"], 1), message("same", { queue: ["same"] }), record(["same", "same"], 2)]);
      assert.equal(await backend.count([]), 2);
      assert.equal(await backend.clear([]), 2);
      assert.deepEqual(await claimIds(backend, 10, ["same"]), ["same"]);
    },
  },
];
