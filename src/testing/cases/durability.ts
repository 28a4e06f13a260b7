/** Cases: what was committed is there after the backend was closed and opened again. @module */

import assert from "node:assert/strict";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import {
  claim,
  claimOne,
  codeOf,
  commit,
  dump,
  idsOf,
  lease,
  message,
  record,
  refuse,
  send,
  stored,
} from "../steps.ts";

/** Cases about reopening. */
export const durabilityCases: readonly ConformanceCase[] = [
  {
    name: "G1 nothing accepted is lost: all records and messages, in all states, are there after reopening",
    needs: ["durable"],
    run: async ({ backend, reopen }) => {
      await commit(backend, [record(["a"], { deep: [1, null] }), record(["b", "\ud800\0"], "x", LONG_MS)]);
      await send(backend, ...["a", "b", "c", "d"].map((id) => message(id)), message("e", { delayMs: LONG_MS }));
      await commit(backend, [{ type: "bury", ...lease(await claimOne(backend)), error: "why" }]);
      await claimOne(backend);
      await send(backend, message("other", { queue: ["other", "\u{1F600}"] }));
      const before = await dump(backend);
      const again = await reopen();
      assert.deepEqual(await dump(again), before);
    },
  },
  {
    name: "G1 nothing accepted is lost: order, attempts and dedupe windows go on after reopening",
    needs: ["durable"],
    run: async ({ backend, reopen, shortMs, elapse }) => {
      const delayMs = 5 * shortMs; // longer than all that is done until then, where time really passes
      await send(backend, message("expires"), message("acked"), message("first"), message("soon", { delayMs }));
      await claim(backend, 1, delayMs);
      await commit(backend, [{ type: "ack", ...lease(await claimOne(backend)) }]);
      const again = await reopen();
      assert.deepEqual(await commit(again, [message("acked")]), [{ type: "enqueue", duplicate: true }]);
      await send(again, message("second"));
      await elapse(delayMs);
      const claimed = await claim(again, 10);
      assert.deepEqual(claimed.map(({ id, attempt }) => [id, attempt]), [
        ["first", 1],
        ["second", 1],
        ["soon", 1],
        ["expires", 2],
      ]);
    },
  },
  {
    name: "G2 one live lease: a lease outlives the handle that it was claimed with, and so does its fencing",
    needs: ["durable"],
    run: async ({ backend, reopen, shortMs, elapse }) => {
      await send(backend, message("held"), message("expires"));
      const held = await claimOne(backend);
      const expires = await claimOne(backend, shortMs);
      const again = await reopen();
      await elapse(shortMs);
      await refuse(again, { operations: [{ type: "ack", ...lease(expires) }] }, "lease_lost", 0);
      await commit(again, [{ type: "ack", ...lease(held) }]);
      assert.deepEqual(idsOf(await stored(again, "ready")), ["expires"]);
    },
  },
  {
    name: "no version of a key is used twice, over reopening",
    needs: ["durable"],
    run: async ({ backend, reopen }) => {
      const [before] = await commit(backend, [record(["key"], 1)]);
      await commit(backend, [{ type: "delete", key: ["key"] }]);
      const again = await reopen();
      const [after] = await commit(again, [record(["key"], 1)]);
      assert.ok(before?.type === "set" && after?.type === "set");
      assert.notEqual(after.version, before.version);
    },
  },
  {
    name: "G1 nothing accepted is lost: what was committed while close() was called is there after reopening",
    needs: ["durable"],
    run: async ({ backend, reopen }) => {
      const outcomes: string[] = [];
      const committing = Array.from(
        { length: 100 },
        (_, index) =>
          backend.commit({ operations: [message(`m${index}`)] }).then(
            () => outcomes[index] = "committed",
            (error) => outcomes[index] = codeOf(error) ?? String(error),
          ),
      );
      const again = await reopen();
      await Promise.all(committing);
      const there = new Set(idsOf(await stored(again, "ready")));
      for (const [index, outcome] of outcomes.entries()) {
        if (outcome === "OUTCOME_UNKNOWN") continue;
        assert.equal(there.has(`m${index}`), outcome === "committed", `message ${index}: ${outcome}`);
      }
    },
  },
];
