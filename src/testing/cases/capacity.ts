/** Cases: a queue holds no more than it may. @module */

import assert from "node:assert/strict";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import { claim, claimOne, commit, counts, lease, message, only, QUEUE, record, refuse, send } from "../steps.ts";

/** Cases about full queues. */
export const capacityCases: readonly ConformanceCase[] = [
  {
    name: "G8 bounded: ready, delayed and leased messages count, dead ones do not",
    run: async ({ backend }) => {
      const capacity = 3;
      await send(
        backend,
        message("leased"),
        message("dead"),
        message("ready"),
        message("delayed", { delayMs: LONG_MS }),
      );
      await claimOne(backend);
      const dead = await claimOne(backend);
      await refuse(backend, { operations: [message("a", { capacity: 4 })] }, "full", 0);
      await commit(backend, [{ type: "bury", ...lease(dead) }]);
      await refuse(backend, { operations: [message("a", { capacity })] }, "full", 0);
      await commit(backend, [message("a", { capacity: 4 })]);
      assert.deepEqual(await counts(backend), only({ ready: 2, delayed: 1, leased: 1, dead: 1 }));
    },
  },
  {
    name: "G8 bounded: a full queue takes messages again when one is acknowledged or purged",
    run: async ({ backend }) => {
      await send(backend, message("a", { capacity: 2 }), message("b", { capacity: 2 }));
      await refuse(backend, { operations: [message("c", { capacity: 2 })] }, "full", 0);
      await commit(backend, [{ type: "ack", ...lease(await claimOne(backend)) }]);
      await commit(backend, [message("c", { capacity: 2 })]);
      await refuse(backend, { operations: [message("d", { capacity: 2 })] }, "full", 0);
      await commit(backend, [{ type: "purge", queue: QUEUE, id: "c" }]);
      await commit(backend, [message("d", { capacity: 2 })]);
    },
  },
  {
    name: "G8 bounded: within a batch, what went before counts",
    run: async ({ backend }) => {
      const capacity = 2;
      await send(backend, message("a"), message("b"));
      const [a, b] = await claim(backend, 2);
      assert.ok(a && b);
      await refuse(backend, { operations: [message("c", { capacity }), { type: "ack", ...lease(a) }] }, "full", 0);
      await refuse(
        backend,
        { operations: [{ type: "ack", ...lease(a) }, message("c", { capacity }), message("d", { capacity })] },
        "full",
        2,
      );
      await commit(backend, [{ type: "ack", ...lease(a) }, message("c", { capacity })]);
      await commit(backend, [{ type: "bury", ...lease(b) }, message("d", { capacity })]);
      await refuse(
        backend,
        { operations: [{ type: "redrive", queue: QUEUE, id: "b" }, message("e", { capacity: 3 })] },
        "full",
        1,
      );
      await commit(backend, [{ type: "purge", queue: QUEUE, id: "d" }, message("e", { capacity })]);
    },
  },
  {
    name: "G8 bounded: within a batch, a duplicate takes no room, and purging a dead message makes none",
    run: async ({ backend }) => {
      await send(backend, message("dead"), message("there"));
      await commit(backend, [{ type: "bury", ...lease(await claimOne(backend)) }]);
      await commit(backend, [message("there"), message("dead"), message("fits", { capacity: 2 })]);
      const operations = [{ type: "purge", queue: QUEUE, id: "dead" }, message("more", { capacity: 2 })] as const;
      await refuse(backend, { operations }, "full", 1);
      await refuse(backend, { operations: [{ ...operations[0], id: "none" }, operations[1]] }, "full", 1);
    },
  },
  {
    name: "G8 bounded: a retry makes room only when it makes the message dead",
    run: async ({ backend }) => {
      await send(backend, message("last", { maxAttempts: 1 }), message("again", { maxAttempts: 2 }));
      const [last, again] = await claim(backend, 2);
      assert.ok(last && again);
      const next = message("next", { capacity: 2 });
      await refuse(backend, { operations: [{ type: "retry", ...lease(again) }, next] }, "full", 1);
      await refuse(backend, { operations: [{ type: "extend", ...lease(again), leaseMs: LONG_MS }, next] }, "full", 1);
      await commit(backend, [{ type: "retry", ...lease(last) }, next]);
      assert.deepEqual(await counts(backend), only({ ready: 1, leased: 1, dead: 1 }));
    },
  },
  {
    name: "G8 bounded: a duplicate is never refused as full",
    run: async ({ backend }) => {
      await send(backend, message("a"), message("b"));
      await commit(backend, [{ type: "ack", ...lease(await claimOne(backend)) }]);
      await send(backend, message("c"));
      const results = await commit(backend, [message("a", { capacity: 1 }), message("b", { capacity: 1 })]);
      assert.deepEqual(results.map((result) => result.type === "enqueue" && result.duplicate), [true, true]);
      await refuse(backend, { operations: [message("a", { capacity: 1 }), message("d", { capacity: 1 })] }, "full", 1);
    },
  },
  {
    name: "G8 bounded: each queue by itself, and a redrive never bursts",
    run: async ({ backend }) => {
      await send(backend, message("a", { capacity: 1 }), message("a", { queue: ["other"], capacity: 1 }));
      await commit(backend, [{ type: "bury", ...lease(await claimOne(backend)) }]);
      await send(backend, message("b", { capacity: 1 }));
      // Who redrives decides; the bound is for those who send.
      await commit(backend, [{ type: "redrive", queue: QUEUE, id: "a" }, record(["key"], 1)]);
      assert.deepEqual(await counts(backend), only({ ready: 2 }));
      await refuse(backend, { operations: [message("c", { capacity: 2 })] }, "full", 0);
    },
  },
  {
    name: "G8 bounded: of 50 sends at once, as many are accepted as fit",
    run: async ({ backend }) => {
      const outcomes = await Promise.all(
        Array.from(
          { length: 50 },
          (_, index) => backend.commit({ operations: [message(`m${index}`, { capacity: 20 })] }),
        ),
      );
      assert.equal(outcomes.filter(({ committed }) => committed).length, 20);
      for (const outcome of outcomes) {
        if (!outcome.committed) assert.deepEqual(outcome, { committed: false, reason: "full", index: 0 });
      }
      assert.deepEqual(await counts(backend), only({ ready: 20 }));
    },
  },
];
