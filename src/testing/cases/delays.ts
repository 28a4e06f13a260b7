/** Cases: a delayed message is not delivered before its time, and a waiter can tell when that is. @module */

import assert from "node:assert/strict";
import { MAX_DURATION_MS } from "../../check.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import { claim, claimIds, claimOne, commit, counts, lease, message, only, send, stored } from "../steps.ts";

/** Cases about delays. */
export const delayCases: readonly ConformanceCase[] = [
  {
    name: "a delayed message is delivered when it is due, without any sweeper",
    run: async ({ backend, shortMs, elapse }) => {
      await send(backend, message("later", { delayMs: LONG_MS }), message("soon", { delayMs: shortMs }));
      assert.equal((await stored(backend, "delayed")).at(-1)?.id, "later");
      await elapse(shortMs);
      assert.deepEqual(await counts(backend), only({ ready: 1, delayed: 1 }));
      const delivery = await claimOne(backend);
      assert.deepEqual([delivery.id, delivery.attempt, delivery.lastError], ["soon", 1, undefined]);
      assert.deepEqual(await claimIds(backend, 10), []);
    },
  },
  {
    name: "a retried message waits for its delay",
    run: async ({ backend, shortMs, elapse }) => {
      await send(backend, message("a"), message("b"));
      const [a, b] = await claim(backend, 2);
      assert.ok(a && b);
      const results = await commit(backend, [
        { type: "retry", ...lease(a), delayMs: LONG_MS },
        { type: "retry", ...lease(b), delayMs: shortMs, error: "busy" },
      ]);
      assert.deepEqual(results, [{ type: "retry", state: "delayed" }, { type: "retry", state: "delayed" }]);
      await elapse(shortMs);
      const again = await claimOne(backend);
      assert.deepEqual([again.id, again.attempt, again.lastError], ["b", 2, "busy"]);
      assert.deepEqual(await counts(backend), only({ delayed: 1, leased: 1 }));
    },
  },
  {
    name: "a delay may be a fraction of a millisecond, and as long as a hundred years",
    run: async ({ backend, elapse }) => {
      await send(backend, message("never", { delayMs: MAX_DURATION_MS }), message("at once", { delayMs: 0.25 }));
      await elapse(1);
      assert.equal((await claimOne(backend, MAX_DURATION_MS)).id, "at once");
      assert.deepEqual(await counts(backend), only({ delayed: 1, leased: 1 }));
      const { nextDueInMs } = await backend.stats(["queue"]);
      assert.ok(nextDueInMs !== null && nextDueInMs > LONG_MS);
    },
  },
  {
    name: "stats() tells how long until the next message is due or the next lease ends",
    run: async ({ backend, shortMs, elapse }) => {
      const nextDueInMs = async () => (await backend.stats(["queue"])).nextDueInMs;
      assert.equal(await nextDueInMs(), null);
      await send(backend, message("ready"));
      assert.equal(await nextDueInMs(), null);
      await send(backend, message("later", { delayMs: 2 * LONG_MS }));
      const later = await nextDueInMs();
      assert.ok(later !== null && later > LONG_MS && later <= 2 * LONG_MS);
      await claim(backend, 1, LONG_MS);
      const leased = await nextDueInMs();
      assert.ok(leased !== null && leased > LONG_MS - 60_000 && leased <= LONG_MS);
      await send(backend, message("soon", { delayMs: shortMs }));
      const soon = await nextDueInMs();
      assert.ok(soon !== null && soon <= shortMs, "the nearest counts");
      await elapse(shortMs);
      assert.ok((await nextDueInMs() ?? 0) > shortMs, "what is due is waited for no more");
    },
  },
  {
    name: "a waiter that sleeps as long as stats() says finds its message",
    run: async ({ backend, shortMs, elapse }) => {
      await send(backend, message("a", { delayMs: shortMs }));
      for (let round = 1; round <= 2; round++) {
        const { nextDueInMs } = await backend.stats(["queue"]);
        assert.ok(nextDueInMs !== null && nextDueInMs <= shortMs);
        await elapse(Math.max(nextDueInMs, 0));
        assert.equal((await claimOne(backend, shortMs)).attempt, round);
      }
    },
  },
  {
    name: "a message is delayed until the very moment at which it is due",
    needs: ["injected clock"],
    run: async ({ backend, elapse }) => {
      await send(backend, message("a", { delayMs: 1000 }));
      assert.equal((await backend.stats(["queue"])).nextDueInMs, 1000);
      await elapse(999);
      assert.deepEqual(await claimIds(backend, 1), []);
      assert.equal((await backend.stats(["queue"])).nextDueInMs, 1);
      await elapse(1);
      assert.deepEqual(await counts(backend), only({ ready: 1 }));
      assert.deepEqual(await claimIds(backend, 1), ["a"]);
    },
  },
];
