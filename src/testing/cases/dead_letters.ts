/** Cases: dead messages can be looked at, sent again and removed by name. @module */

import assert from "node:assert/strict";
import type { StorageBackend } from "../../storage/backend.ts";
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
  record,
  refuseToken,
  send,
  stored,
} from "../steps.ts";

/** Cases about redrive and purge. */
export const deadLetterCases: readonly ConformanceCase[] = [
  {
    name: "dead messages are listed in the order in which they died, whole",
    run: async ({ backend }) => {
      await send(
        backend,
        message("first", { priority: 1, value: [1] }),
        message("second", { priority: 9 }),
        message("third"),
      );
      const held = await claim(backend, 3);
      for (const id of ["third", "first", "second"]) {
        const one = held.find((delivery) => delivery.id === id);
        assert.ok(one);
        await commit(backend, [{ type: "bury", ...lease(one), error: `${id} failed` }]);
      }
      const dead = await stored(backend, "dead");
      assert.deepEqual(dead.map(({ id, lastError }) => [id, lastError]), [
        ["third", "third failed"],
        ["first", "first failed"],
        ["second", "second failed"],
      ]);
      const { enqueuedAtMs, dueAtMs, ...rest } = dead[1] ?? {};
      assert.deepEqual(rest, {
        queue: QUEUE,
        id: "first",
        value: [1],
        priority: 1,
        state: "dead",
        attempts: 1,
        maxAttempts: 3,
        lastError: "first failed",
      });
      assert.ok(enqueuedAtMs !== undefined && dueAtMs !== undefined && enqueuedAtMs <= dueAtMs);
    },
  },
  {
    name: "redrive makes a dead message due again, with its attempts at zero and its bound unchanged",
    run: async ({ backend }) => {
      await die(backend, "a");
      assert.deepEqual(await commit(backend, [{ type: "redrive", queue: QUEUE, id: "a" }]), [{
        type: "redrive",
        found: true,
      }]);
      assert.deepEqual(await counts(backend), only({ ready: 1 }));
      assert.equal((await stored(backend, "ready"))[0]?.attempts, 0);
      const again = await claimOne(backend);
      assert.deepEqual([again.attempt, again.maxAttempts, again.lastError], [1, 1, "why a died"]);
      assert.deepEqual(await commit(backend, [{ type: "retry", ...lease(again), error: "once more" }]), [
        { type: "retry", state: "dead" },
      ]);
      assert.equal((await stored(backend, "dead"))[0]?.lastError, "once more");
    },
  },
  {
    name: "redrive does nothing to a message that is not dead",
    run: async ({ backend }) => {
      await send(backend, message("leased"), message("ready"), message("delayed", { delayMs: LONG_MS }));
      const held = await claimOne(backend);
      const before = await dump(backend);
      for (const id of ["leased", "ready", "delayed", "none"]) {
        assert.deepEqual(await commit(backend, [{ type: "redrive", queue: QUEUE, id }]), [{
          type: "redrive",
          found: false,
        }]);
      }
      assert.deepEqual(await commit(backend, [{ type: "redrive", queue: ["none"], id: "a" }]), [
        { type: "redrive", found: false },
      ]);
      assert.deepEqual(await dump(backend), before);
      await commit(backend, [{ type: "ack", ...lease(held) }]);
    },
  },
  {
    name: "purge removes a message in any state, and only that one",
    run: async ({ backend }) => {
      await die(backend, "dead");
      await send(
        backend,
        message("leased"),
        message("ready"),
        message("delayed", { delayMs: LONG_MS }),
        message("stays"),
      );
      const held = await claimOne(backend);
      await send(backend, message("ready", { queue: ["other"] }));
      for (const id of ["dead", "leased", "ready", "delayed"]) {
        assert.deepEqual(await commit(backend, [{ type: "purge", queue: QUEUE, id }]), [{
          type: "purge",
          found: true,
        }]);
        assert.deepEqual(await commit(backend, [{ type: "purge", queue: QUEUE, id }]), [{
          type: "purge",
          found: false,
        }]);
      }
      await refuseToken(backend, held);
      assert.deepEqual(await claimIds(backend, 10), ["stays"]);
      assert.deepEqual(await counts(backend, ["other"]), only({ ready: 1 }));
      assert.equal(await backend.recover(), 0);
    },
  },
  {
    name: "redrive and purge go with other operations in one batch",
    run: async ({ backend }) => {
      await die(backend, "a");
      await die(backend, "b");
      await commit(backend, [
        { type: "redrive", queue: QUEUE, id: "a" },
        { type: "purge", queue: QUEUE, id: "b" },
        record(["log"], "looked after"),
      ]);
      assert.deepEqual(await counts(backend), only({ ready: 1 }));
      assert.equal(await backend.count([]), 1);
    },
  },
  {
    name: "a dead message stays until it is redriven or purged",
    run: async ({ backend, shortMs, elapse }) => {
      await die(backend, "a", 0);
      await elapse(2 * shortMs);
      assert.deepEqual(await claimIds(backend, 10), []);
      assert.equal(await backend.recover(), 0);
      assert.deepEqual((await stored(backend, "dead")).map(({ id }) => id), ["a"]);
    },
  },
];

/** Sends a message with one attempt, and lets that fail. */
async function die(backend: StorageBackend, id: string, dedupeMs = LONG_MS): Promise<void> {
  await send(backend, message(id, { maxAttempts: 1, priority: 9, dedupeMs }));
  await commit(backend, [{ type: "retry", ...lease(await claimOne(backend)), error: `why ${id} died` }]);
}
