/** Cases: queues can be counted, listed and looked into. @module */

import assert from "node:assert/strict";
import { collect } from "../../storage/es2024.ts";
import type { Key } from "../../storage/key.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import {
  claim,
  claimOne,
  commit,
  commitMany,
  counts,
  dump,
  idsOf,
  lease,
  message,
  only,
  QUEUE,
  record,
  send,
  STATES,
  stored,
} from "../steps.ts";

/** Cases about stats(), messages() and queues(). */
export const viewCases: readonly ConformanceCase[] = [
  {
    name: "stats() counts the messages of each state",
    run: async ({ backend }) => {
      assert.deepEqual(await backend.stats(QUEUE), { ready: 0, delayed: 0, leased: 0, dead: 0, nextDueInMs: null });
      await send(backend, ...["a", "b", "c", "d", "e"].map((id) => message(id)), message("f", { delayMs: LONG_MS }));
      await commit(backend, [{ type: "bury", ...lease(await claimOne(backend)) }]);
      await claim(backend, 2);
      assert.deepEqual(await counts(backend), { ready: 2, delayed: 1, leased: 2, dead: 1 });
    },
  },
  {
    name: "messages() gives each state in its own order, and looking changes nothing",
    run: async ({ backend }) => {
      await send(
        backend,
        message("leased-long"),
        message("leased-brief"),
        message("dead-2"),
        message("dead-1"),
        message("ready-2"),
        message("ready-3"),
        message("ready-1", { priority: 6 }),
        message("delayed-2", { delayMs: 2 * LONG_MS, priority: 9 }),
        message("delayed-1", { delayMs: LONG_MS, priority: 0 }),
      );
      await commit(backend, [{ type: "purge", queue: QUEUE, id: "ready-1" }]);
      await claim(backend, 1, 2 * LONG_MS);
      await claim(backend, 1, LONG_MS);
      const [second, first] = await claim(backend, 2);
      assert.ok(second && first);
      await commit(backend, [{ type: "bury", ...lease(first) }, { type: "bury", ...lease(second) }]);
      await send(backend, message("ready-0", { priority: 6 }));
      for (let look = 0; look < 2; look++) {
        assert.deepEqual(idsOf(await stored(backend, "ready")), ["ready-0", "ready-2", "ready-3"]);
        assert.deepEqual(idsOf(await stored(backend, "delayed")), ["delayed-1", "delayed-2"]);
        assert.deepEqual(idsOf(await stored(backend, "leased")), ["leased-brief", "leased-long"]);
        assert.deepEqual(idsOf(await stored(backend, "dead")), ["dead-1", "dead-2"]);
      }
      const [leased] = await stored(backend, "leased");
      assert.deepEqual([leased?.state, leased?.attempts, leased?.value], ["leased", 1, { id: "leased-brief" }]);
    },
  },
  {
    name: "messages() tells when a message was accepted, and is due, ends its lease or died",
    needs: ["injected clock"],
    run: async ({ backend, elapse }) => {
      await send(backend, message("dead"), message("leased"), message("again"), message("ready"));
      const [first] = await stored(backend, "ready");
      assert.ok(first);
      const startMs = first.enqueuedAtMs;
      assert.equal(first.dueAtMs, startMs);
      await elapse(100);
      await send(backend, message("delayed", { delayMs: 5000 }));
      const [dead, leased, again] = await claim(backend, 3, 1000);
      assert.ok(dead && leased && again);
      assert.deepEqual([leased.enqueuedAtMs, leased.leaseExpiresAtMs], [startMs, startMs + 1100]);
      await elapse(100);
      await commit(backend, [{ type: "bury", ...lease(dead) }, { type: "retry", ...lease(again), delayMs: 300 }]);
      await elapse(300);
      const times: Record<string, [number, number]> = {};
      for (const state of STATES) {
        for (const { id, enqueuedAtMs, dueAtMs } of await stored(backend, state)) {
          times[id] = [enqueuedAtMs - startMs, dueAtMs - startMs];
        }
      }
      assert.deepEqual(times, {
        ready: [0, 0],
        again: [0, 500],
        delayed: [100, 5100],
        leased: [0, 1100],
        dead: [0, 200],
      });
    },
  },
  {
    name: "messages() gives 2,500 messages of a state, each once, or at most `limit`",
    run: async ({ backend }) => {
      const sent = Array.from({ length: 2500 }, (_, index) => message(`m${(index * 37) % 2500}`));
      await commitMany(backend, sent);
      assert.deepEqual(idsOf(await stored(backend, "ready")), idsOf(sent));
      const some = await collect(backend.messages(QUEUE, "ready", { limit: 1100 }));
      assert.deepEqual(idsOf(some), idsOf(sent).slice(0, 1100));
      for (const state of STATES.slice(1)) assert.deepEqual(await stored(backend, state), []);
    },
  },
  {
    name: "messages() with a `limit` of 0 gives none, in whatever state",
    run: async ({ backend }) => {
      await send(backend, message("dead"), message("leased"), message("ready"), message("delayed", { delayMs: 5000 }));
      const [dead] = await claim(backend, 2);
      assert.ok(dead);
      await commit(backend, [{ type: "bury", ...lease(dead) }]);
      for (const state of STATES) {
        assert.equal((await stored(backend, state)).length, 1);
        assert.deepEqual(await collect(backend.messages(QUEUE, state, { limit: 0 })), []);
      }
    },
  },
  {
    name: "messages() gives copies: what is done to them, or to a delivery, changes nothing",
    run: async ({ backend }) => {
      await send(backend, message("a", { value: { list: [1] }, maxAttempts: 9 }));
      const scribble = (value: unknown) => (value as { list: number[] }).list.push(2);
      for (const each of await stored(backend, "ready")) scribble(each.value);
      const delivery = await claimOne(backend);
      assert.deepEqual(delivery.value, { list: [1] });
      scribble(delivery.value);
      await commit(backend, [{ type: "retry", ...lease(delivery) }]);
      assert.deepEqual((await claimOne(backend)).value, { list: [1] });
    },
  },
  {
    name: "queues() lists the queues below a prefix in the order of their keys, while they hold a message",
    run: async ({ backend, shortMs, elapse }) => {
      const keys: readonly Key[] = [["a"], ["a", ""], ["a", "b"], ["a", "b", "c"], ["a\0"], ["ab"], ["\uffff"], [
        "\u{1F600}",
      ]];
      for (const queue of keys.toReversed()) await send(backend, message("m", { queue, maxAttempts: 1 }));
      await commit(backend, [record(["a", "record"], 1)]);
      assert.deepEqual(await collect(backend.queues()), keys);
      assert.deepEqual(await collect(backend.queues(["a"])), [["a", ""], ["a", "b"], ["a", "b", "c"]]);
      assert.deepEqual(await collect(backend.queues(["a", "b"])), [["a", "b", "c"]]);
      await commit(backend, [{ type: "ack", ...lease(await claimOne(backend, LONG_MS, ["a", "b"])) }]);
      await commit(backend, [{ type: "bury", ...lease(await claimOne(backend, LONG_MS, ["ab"])) }]);
      await claimOne(backend, shortMs, ["a", ""]);
      await elapse(shortMs);
      assert.deepEqual(await collect(backend.queues(["a"])), [["a", ""], ["a", "b", "c"]]);
      assert.ok((await collect(backend.queues())).some(([name]) => name === "ab"), "a queue of dead messages is one");
    },
  },
  {
    name: "G8 bounded: a queue that was emptied is gone, for 1,500 queues",
    run: async ({ backend }) => {
      const names = Array.from({ length: 1500 }, (_, index): Key => ["worker", String(index).padStart(4, "0")]);
      await commitMany(backend, names.map((queue) => message("m", { queue, dedupeMs: 0 })));
      assert.deepEqual(await collect(backend.queues(["worker"])), names);
      await commitMany(backend, names.slice(0, 1400).map((queue) => ({ type: "purge", queue, id: "m" })));
      assert.deepEqual(await collect(backend.queues()), names.slice(1400));
      assert.equal((await dump(backend)).queues.length, 100);
      assert.deepEqual(await counts(backend, names[0]), only({}));
    },
  },
];
