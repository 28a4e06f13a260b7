/** Cases: messages come by priority, then by the moment at which they became due. @module */

import assert from "node:assert/strict";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import { claim, claimIds, claimOne, commit, commitMany, idsOf, lease, message, QUEUE, send, stored } from "../steps.ts";

/** Cases about the order of a line. */
export const orderCases: readonly ConformanceCase[] = [
  {
    name: "G3 order: first in, first out within a priority, over single sends and batches",
    run: async ({ backend }) => {
      const sent = Array.from({ length: 250 }, (_, index) => message(`m${(index * 37) % 250}`));
      await send(backend, ...sent.slice(0, 50));
      await commitMany(backend, sent.slice(50));
      const claimed: string[] = [];
      for (let limit = 1; claimed.length < 250; limit += 7) {
        const some = await claimIds(backend, limit);
        assert.equal(some.length, Math.min(limit, 250 - claimed.length));
        claimed.push(...some);
      }
      assert.deepEqual(claimed, idsOf(sent));
    },
  },
  {
    name: "G3 order: the higher priority first, each of 0 to 9",
    run: async ({ backend }) => {
      const priorities = [5, 0, 9, 1, 7, 3, 9, 8, 2, 6, 4, 0, 5];
      await send(backend, ...priorities.map((priority, index) => message(`${priority}-${index}`, { priority })));
      const expected = ["9-2", "9-6", "8-7", "7-4", "6-9", "5-0", "5-12", "4-10", "3-5", "2-8", "1-3", "0-1", "0-11"];
      assert.deepEqual(idsOf(await stored(backend, "ready")), expected);
      assert.deepEqual(await claimIds(backend, 4), expected.slice(0, 4));
      await send(backend, message("late", { priority: 9 }));
      assert.deepEqual(await claimIds(backend, 100), ["late", ...expected.slice(4)]);
    },
  },
  {
    name: "G3 order: a delayed message stands where it became due, not where it was sent",
    run: async ({ backend, shortMs, elapse }) => {
      await send(
        backend,
        message("second", { delayMs: 2 * shortMs }),
        message("first", { delayMs: shortMs }),
        message("now"),
        message("urgent", { delayMs: 2 * shortMs, priority: 9 }),
        message("never", { delayMs: LONG_MS, priority: 9 }),
      );
      assert.deepEqual(await claimIds(backend, 10), ["now"]);
      await elapse(2 * shortMs);
      await send(backend, message("last"));
      assert.deepEqual(idsOf(await stored(backend, "ready")), ["urgent", "first", "second", "last"]);
      assert.deepEqual(await claimIds(backend, 10), ["urgent", "first", "second", "last"]);
    },
  },
  {
    name: "G3 order: a retried message goes to the end of its priority",
    run: async ({ backend, shortMs, elapse }) => {
      await send(backend, message("a"), message("b"), message("c"), message("low", { priority: 1 }));
      const [a, b] = await claim(backend, 2);
      assert.ok(a && b);
      await commit(backend, [{ type: "retry", ...lease(b), delayMs: shortMs }, { type: "retry", ...lease(a) }]);
      assert.deepEqual(idsOf(await stored(backend, "ready")), ["c", "a", "low"]);
      await elapse(shortMs);
      assert.deepEqual(await claimIds(backend, 10), ["c", "a", "b", "low"]);
    },
  },
  {
    name: "G3 order: redriven messages come in the order of the redrive, behind what is in line",
    run: async ({ backend }) => {
      await send(backend, message("a"), message("b"), message("c", { priority: 9 }));
      for (const held of await claim(backend, 3)) await commit(backend, [{ type: "bury", ...lease(held) }]);
      await send(backend, message("d"));
      for (const id of ["b", "a", "c"]) await commit(backend, [{ type: "redrive", queue: QUEUE, id }]);
      assert.deepEqual(await claimIds(backend, 10), ["c", "d", "b", "a"]);
    },
  },
  {
    name: "G3 order: messages of expired leases come by the end of the lease, behind what is in line",
    run: async ({ backend, shortMs, elapse }) => {
      await send(
        backend,
        message("late"),
        message("early"),
        message("y"),
        message("x"),
        message("high", { priority: 9 }),
      );
      const high = await claimOne(backend, shortMs);
      assert.equal(high.id, "high");
      await claim(backend, 1, 2 * shortMs);
      await claim(backend, 3, shortMs);
      await elapse(2 * shortMs);
      await send(backend, message("sent"));
      assert.deepEqual(await claimIds(backend, 10), ["high", "sent", "early", "y", "x", "late"]);
    },
  },
  {
    name: "G3 order: leases that end at the same moment come back in the order of their delivery",
    needs: ["injected clock"],
    run: async ({ backend, elapse }) => {
      await send(backend, message("p", { delayMs: 250 }), message("b"), message("c"), message("a"), message("d"));
      const [b] = await claim(backend, 1, 500);
      assert.ok(b);
      await claim(backend, 2, 1000);
      await elapse(250);
      assert.deepEqual(idsOf(await claim(backend, 2, 750)), ["d", "p"]);
      // An extension moves the end of the lease; the message was delivered when it was.
      await commit(backend, [{ type: "extend", ...lease(b), leaseMs: 750 }]);
      await elapse(750);
      assert.equal(await backend.recover(QUEUE), 5);
      assert.deepEqual(await claimIds(backend, 10), ["b", "c", "a", "d", "p"]);
    },
  },
  {
    name: "G3 order: messages that become due at the same moment come in the order of their sending",
    needs: ["injected clock"],
    run: async ({ backend, elapse }) => {
      await send(backend, message("b", { delayMs: 1000 }), message("c", { delayMs: 1000 }));
      await elapse(500);
      await send(backend, message("a", { delayMs: 500 }), message("z", { delayMs: 499 }));
      await elapse(500);
      await send(backend, message("d"));
      assert.deepEqual(await claimIds(backend, 10), ["z", "b", "c", "a", "d"]);
    },
  },
];
