/** Cases: attempts are counted and bounded, and redelivery needs no sweeper. @module */

import assert from "node:assert/strict";
import { LEASE_EXPIRED_ERROR } from "../../storage/backend.ts";
import { MAX_ERROR_LENGTH } from "../../storage/batch.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import {
  claim,
  claimIds,
  claimOne,
  commit,
  counts,
  dump,
  lease,
  message,
  only,
  QUEUE,
  send,
  stored,
} from "../steps.ts";

/** Cases about attempts. */
export const attemptCases: readonly ConformanceCase[] = [
  {
    name: "G4 bounded attempts: a message that is retried is dead once its attempts are used up, with the last error",
    run: async ({ backend }) => {
      await send(backend, message("a", { maxAttempts: 3 }));
      for (let attempt = 1; attempt <= 3; attempt++) {
        const delivery = await claimOne(backend);
        assert.equal(delivery.attempt, attempt);
        assert.equal(delivery.lastError, attempt === 1 ? undefined : `failure ${attempt - 1}`);
        const results = await commit(backend, [{ type: "retry", ...lease(delivery), error: `failure ${attempt}` }]);
        assert.deepEqual(results, [{ type: "retry", state: attempt < 3 ? "ready" : "dead" }]);
      }
      assert.deepEqual(await counts(backend), only({ dead: 1 }));
      const [dead] = await stored(backend, "dead");
      assert.equal(dead?.lastError, "failure 3");
      assert.equal(dead?.attempts, 3);
      assert.deepEqual(await claimIds(backend, 10), []);
    },
  },
  {
    name: "G4 bounded attempts: a poison message that kills each of its consumers is dead after the last attempt",
    run: async ({ backend, shortMs, elapse }) => {
      await send(backend, message("poison", { maxAttempts: 3 }), message("harmless", { maxAttempts: 10, priority: 1 }));
      for (let attempt = 1; attempt <= 3; attempt++) {
        const delivery = await claimOne(backend, shortMs);
        assert.deepEqual([delivery.id, delivery.attempt], ["poison", attempt]);
        assert.equal(delivery.lastError, attempt === 1 ? undefined : LEASE_EXPIRED_ERROR);
        await elapse(shortMs);
      }
      assert.deepEqual(await claimIds(backend, 10), ["harmless"]);
      const [dead, ...others] = await stored(backend, "dead");
      assert.deepEqual([dead?.id, dead?.attempts, dead?.lastError], ["poison", 3, LEASE_EXPIRED_ERROR]);
      assert.equal(others.length, 0, "it is dead once");
      const before = await dump(backend);
      await elapse(shortMs);
      assert.equal(await backend.recover(), 0);
      assert.deepEqual(await dump(backend), before, "it stays dead");
    },
  },
  {
    name: "G4 bounded attempts: retries and expired leases count together, extensions do not",
    run: async ({ backend, shortMs, elapse }) => {
      await send(backend, message("a", { maxAttempts: 2 }));
      const first = await claimOne(backend, shortMs);
      for (let times = 0; times < 5; times++) {
        await commit(backend, [{ type: "extend", ...lease(first), leaseMs: shortMs }]);
      }
      await elapse(shortMs);
      const second = await claimOne(backend);
      assert.equal(second.attempt, 2);
      const results = await commit(backend, [{ type: "retry", ...lease(second), delayMs: LONG_MS }]);
      assert.deepEqual(results, [{ type: "retry", state: "dead" }]);
      assert.equal(
        (await stored(backend, "dead"))[0]?.lastError,
        LEASE_EXPIRED_ERROR,
        "a retry without error keeps the former",
      );
    },
  },
  {
    name: "G4 bounded attempts: bury makes a message dead at once, with its error",
    run: async ({ backend }) => {
      await send(backend, message("a"), message("b"));
      const [a, b] = await claim(backend, 2);
      assert.ok(a && b);
      await commit(backend, [{ type: "bury", ...lease(b), error: "of no use" }, { type: "bury", ...lease(a) }]);
      const dead = await stored(backend, "dead");
      assert.deepEqual(dead.map(({ id, attempts, lastError }) => [id, attempts, lastError]), [
        ["b", 1, "of no use"],
        ["a", 1, undefined],
      ]);
    },
  },
  {
    name: "an error is cut to its longest length, and any text is legal in it",
    run: async ({ backend }) => {
      const errors = ["x".repeat(MAX_ERROR_LENGTH + 1000), "", "a\0b\n\u{1F600}'\"", "lone \ud800 surrogate"];
      await send(backend, ...errors.map((_, index) => message(`m${index}`)));
      for (const [index, delivery] of (await claim(backend, errors.length)).entries()) {
        await commit(backend, [{ type: "bury", ...lease(delivery), error: errors[index] ?? "" }]);
      }
      const kept = (await stored(backend, "dead")).map(({ lastError }) => lastError);
      assert.deepEqual(kept, ["x".repeat(MAX_ERROR_LENGTH), "", "a\0b\n\u{1F600}'\"", "lone \ufffd surrogate"]);
    },
  },
  {
    name: "G5 prompt redelivery: claim() finds expired leases by itself",
    run: async ({ backend, shortMs, elapse }) => {
      await send(backend, message("a"), message("b"));
      await claim(backend, 2, shortMs);
      await elapse(shortMs);
      const again = await claim(backend, 10);
      assert.deepEqual(again.map(({ id, attempt, lastError }) => [id, attempt, lastError]), [
        ["a", 2, LEASE_EXPIRED_ERROR],
        ["b", 2, LEASE_EXPIRED_ERROR],
      ]);
    },
  },
  {
    name: "G5 prompt redelivery: 250 leases that expired together are all found",
    run: async ({ backend, shortMs, elapse }) => {
      // In no order of their own, so that only the order of delivery can give it back.
      const ids = Array.from({ length: 250 }, (_, index) => `m${(index * 37) % 250}`);
      await send(backend, ...ids.map((id, index) => message(id, { maxAttempts: index % 2 + 1 })));
      await claim(backend, 250, shortMs);
      await elapse(shortMs);
      const again = await claim(backend, 1000);
      assert.deepEqual(again.map(({ id }) => id), ids.filter((_, index) => index % 2 === 1));
      assert.deepEqual(await counts(backend), only({ leased: 125, dead: 125 }));
      assert.deepEqual((await stored(backend, "dead")).map(({ id }) => id), ids.filter((_, index) => index % 2 === 0));
    },
  },
  {
    name: "recover() ends expired leases in one queue or in all, and tells how many",
    run: async ({ backend, shortMs, elapse }) => {
      const queues = [QUEUE, ["second"], ["second", "third"]];
      for (const queue of queues) {
        await send(backend, message("held", { queue }));
        await claim(backend, 1, LONG_MS, queue);
      }
      assert.equal(await backend.recover(), 0);
      for (const queue of queues) {
        await send(backend, message("again", { queue }), message("last", { queue, maxAttempts: 1 }));
        await claim(backend, 2, shortMs, queue);
      }
      await elapse(shortMs);
      assert.equal(await backend.recover(["no such queue"]), 0);
      assert.equal(await backend.recover(["second"]), 2);
      assert.equal(await backend.recover(["second"]), 0);
      assert.equal(await backend.recover(), 4);
      assert.equal(await backend.recover(), 0);
      for (const queue of queues) {
        assert.deepEqual(await counts(backend, queue), only({ ready: 1, leased: 1, dead: 1 }));
      }
    },
  },
  {
    name: "stats() and messages() see an expired lease as ended",
    run: async ({ backend, shortMs, elapse }) => {
      for (const queue of [["by stats"], ["by messages"]]) {
        await send(backend, message("again", { queue }), message("last", { queue, maxAttempts: 1 }));
        await claim(backend, 2, shortMs, queue);
      }
      await elapse(shortMs);
      assert.deepEqual(await counts(backend, ["by stats"]), only({ ready: 1, dead: 1 }));
      const [dead] = await stored(backend, "dead", ["by messages"]);
      assert.deepEqual([dead?.id, dead?.lastError], ["last", LEASE_EXPIRED_ERROR]);
      assert.equal(await backend.recover(), 0, "what was seen as ended has ended");
    },
  },
];
