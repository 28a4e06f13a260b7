/** Cases: sending a message id again, within the dedupe window, changes nothing. @module */

import assert from "node:assert/strict";
import { monotonicMs, systemClock } from "../../clock.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import {
  claim,
  claimIds,
  claimOne,
  commit,
  commitMany,
  counts,
  dump,
  lease,
  message,
  only,
  QUEUE,
  record,
  send,
} from "../steps.ts";

const DUPLICATE = { type: "enqueue", duplicate: true } as const;
const FRESH = { type: "enqueue", duplicate: false } as const;

/** Cases about duplicates. */
export const dedupeCases: readonly ConformanceCase[] = [
  {
    name: "G6 idempotent sends: an id that is ready, delayed, leased or dead is a duplicate and changes nothing",
    run: async ({ backend }) => {
      await send(
        backend,
        message("leased"),
        message("dead"),
        message("ready"),
        message("delayed", { delayMs: LONG_MS }),
      );
      await claimOne(backend);
      await commit(backend, [{ type: "bury", ...lease(await claimOne(backend)) }]);
      const before = await dump(backend);
      for (const id of ["ready", "delayed", "leased", "dead"]) {
        const again = message(id, { value: "other", priority: 9, delayMs: 1, maxAttempts: 9, dedupeMs: 0 });
        assert.deepEqual(await commit(backend, [again]), [DUPLICATE]);
      }
      assert.deepEqual(await dump(backend), before);
    },
  },
  {
    name: "G6 idempotent sends: an id that was acknowledged or purged stays a duplicate within the window",
    run: async ({ backend }) => {
      await send(backend, message("acked"), message("purged"), message("buried"));
      const [acked, , buried] = await claim(backend, 3);
      assert.ok(acked && buried);
      await commit(backend, [
        { type: "ack", ...lease(acked) },
        { type: "purge", queue: QUEUE, id: "purged" },
        { type: "bury", ...lease(buried) },
      ]);
      await commit(backend, [{ type: "purge", queue: QUEUE, id: "buried" }]);
      for (const id of ["acked", "purged", "buried"]) {
        assert.deepEqual(await commit(backend, [message(id)]), [DUPLICATE]);
      }
      assert.deepEqual(await counts(backend), only({}));
    },
  },
  {
    name: "G6 idempotent sends: the id is free again after the window, and at once without one",
    run: async ({ backend, shortMs, elapse }) => {
      await send(backend, message("short", { dedupeMs: shortMs }), message("none", { dedupeMs: 0 }), message("long"));
      for (const held of await claim(backend, 3)) await commit(backend, [{ type: "ack", ...lease(held) }]);
      assert.deepEqual(await commit(backend, [message("none", { dedupeMs: 0 }), message("long")]), [FRESH, DUPLICATE]);
      await elapse(2 * shortMs); // it may be remembered for twice its window
      assert.deepEqual(await commit(backend, [message("short", { dedupeMs: shortMs }), message("long")]), [
        FRESH,
        DUPLICATE,
      ]);
    },
  },
  {
    name: "G6 idempotent sends: an id is remembered for the whole of its window, whenever in others' windows it came",
    run: async ({ backend, shortMs, elapse }) => {
      // Where the engine has a clock of its own, a busy machine may need all of a window between two calls.
      for (const dedupeMs of [shortMs, 4 * shortMs, 16 * shortMs]) {
        const queue = [...QUEUE, String(dedupeMs)];
        await send(backend, message("before", { queue, dedupeMs }));
        await elapse(dedupeMs * 0.75);
        const sentAtMs = monotonicMs(systemClock);
        await send(backend, message("a", { queue, dedupeMs }));
        await commit(
          backend,
          (await claim(backend, 2, LONG_MS, queue)).map((held) => ({ type: "ack", ...lease(held) })),
        );
        await elapse(dedupeMs * 0.5);
        const again = await commit(backend, [message("a", { queue, dedupeMs })]);
        if (monotonicMs(systemClock) - sentAtMs >= dedupeMs) continue;
        assert.deepEqual(again, [DUPLICATE]);
        return;
      }
      assert.fail("no three calls were made within a window");
    },
  },
  {
    name: "G6 idempotent sends: an id is remembered no longer than twice its window, whatever is sent meanwhile",
    run: async ({ backend, shortMs, elapse }) => {
      await send(backend, message("a", { dedupeMs: shortMs }));
      await commit(backend, [{ type: "ack", ...lease(await claimOne(backend)) }]);
      await elapse(shortMs * 1.75);
      await send(backend, message("b", { dedupeMs: shortMs }));
      await elapse(shortMs * 0.25);
      assert.deepEqual(await commit(backend, [message("a", { dedupeMs: shortMs })]), [FRESH]);
    },
  },
  {
    name: "G6 idempotent sends: a message that outlives its window is a duplicate while it is there",
    run: async ({ backend, shortMs, elapse }) => {
      await send(backend, message("a", { dedupeMs: shortMs, value: "first" }));
      await elapse(2 * shortMs);
      assert.deepEqual(await commit(backend, [message("a", { value: "second" })]), [DUPLICATE]);
      assert.equal((await claimOne(backend)).value, "first");
    },
  },
  {
    name: "G6 idempotent sends: each queue remembers for itself",
    run: async ({ backend }) => {
      const results = await commit(backend, [
        message("a"),
        message("a", { queue: ["b"] }),
        message("a", { queue: ["b", ""] }),
      ]);
      assert.deepEqual(results, [FRESH, FRESH, FRESH]);
      assert.deepEqual(await commit(backend, [message("a", { queue: ["b"] })]), [DUPLICATE]);
    },
  },
  {
    name: "G6 idempotent sends: a refused send is not remembered",
    run: async ({ backend }) => {
      await send(backend, message("there"));
      const operations = [message("a"), message("b", { capacity: 1 })];
      assert.deepEqual(await backend.commit({ operations }), { committed: false, reason: "full", index: 1 });
      const checks = [{ key: ["key"], version: "none" }];
      assert.deepEqual(await backend.commit({ checks, operations: [message("a")] }), {
        committed: false,
        reason: "conflict",
        index: 0,
      });
      assert.deepEqual(await commit(backend, [message("a"), message("b")]), [FRESH, FRESH]);
    },
  },
  {
    name: "G6 idempotent sends: a duplicate lets the rest of its batch happen",
    run: async ({ backend }) => {
      await send(backend, message("a"));
      const results = await commit(backend, [message("a"), message("b"), record(["key"], 1)]);
      assert.deepEqual(results.slice(0, 2), [DUPLICATE, FRESH]);
      assert.equal(await backend.count([]), 1);
    },
  },
  {
    name: "messages of the same content are as many messages",
    run: async ({ backend }) => {
      const value = { same: ["content"] };
      await commitMany(backend, Array.from({ length: 50 }, (_, index) => message(`m${index}`, { value })));
      const deliveries = await claim(backend, 100);
      assert.deepEqual(deliveries.map((delivery) => delivery.value), Array.from({ length: 50 }, () => value));
      await commit(backend, deliveries.slice(0, 1).map((held) => ({ type: "ack", ...lease(held) })));
      assert.deepEqual(await counts(backend), only({ leased: 49 }));
      assert.deepEqual(await claimIds(backend, 1), []);
    },
  },
  {
    name: "G6 idempotent sends: however short the window, an id that is there is a duplicate, at the same moment too",
    run: async ({ backend }) => {
      for (const dedupeMs of [0, 1e-9]) {
        const ids = Array.from({ length: 30 }, (_, index) => `${dedupeMs} ${index % 3}`);
        await Promise.all(ids.map((id) => commit(backend, [message(id, { dedupeMs })])));
        assert.equal((await claimIds(backend, 100)).length, 3);
      }
    },
  },
  {
    name: "G6 idempotent sends: of 16 sends of one id at once, one is accepted",
    run: async ({ backend }) => {
      const results = await Promise.all(
        Array.from({ length: 16 }, (_, index) => commit(backend, [message("a", { value: index })])),
      );
      const accepted = results.flatMap(([result], index) =>
        result?.type === "enqueue" && !result.duplicate ? [index] : []
      );
      assert.equal(accepted.length, 1);
      assert.equal((await claimOne(backend)).value, accepted[0]);
    },
  },
];
