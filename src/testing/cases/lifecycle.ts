/** Cases: a backend is open, closing, closed. @module */

import assert from "node:assert/strict";
import type { StorageBackend } from "../../storage/backend.ts";
import { collect } from "../../storage/es2024.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import { claim, codeOf, commitMany, message, QUEUE, record, rejection, send } from "../steps.ts";

/** Cases about a backend's life. */
export const lifecycleCases: readonly ConformanceCase[] = [
  {
    name: "a fresh backend is empty, answers, and says what it is",
    run: async ({ backend }) => {
      assert.ok(backend.name.length > 0);
      const { durable, shared, pushes, wakeWithinMs, clock, timePrecisionMs, maxValueBytes } = backend.traits;
      for (const flag of [durable, shared, pushes]) assert.equal(typeof flag, "boolean");
      assert.ok(clock === "engine" || clock === "injected");
      assert.ok(wakeWithinMs >= 0 && timePrecisionMs >= 0 && timePrecisionMs <= 100 && maxValueBytes >= 60_000);
      const { healthy, latencyMs, error } = await backend.ping();
      assert.deepEqual([healthy, error], [true, undefined]);
      assert.ok(latencyMs >= 0);
      assert.deepEqual(await collect(backend.list([])), []);
      assert.deepEqual(await collect(backend.queues()), []);
      assert.equal(await backend.recover(), 0);
    },
  },
  {
    name: "G13 clean closing: every call on a closed backend fails with BACKEND_CLOSED",
    run: async ({ backend }) => {
      await send(backend, message("a"));
      await backend.close();
      for (const [name, call] of Object.entries(calls(backend))) {
        assert.equal(codeOf(await rejection(call)), "BACKEND_CLOSED", name);
      }
      const { healthy, error } = await backend.ping();
      assert.equal(healthy, false);
      assert.ok(error !== undefined && error.length > 0, "ping() says why");
    },
  },
  {
    name: "G13 clean closing: close() may be called again, at once and later, and by `await using`",
    run: async ({ backend }) => {
      await send(backend, message("a"));
      await Promise.all([backend.close(), backend.close(), backend[Symbol.asyncDispose]()]);
      await backend.close();
      await backend[Symbol.asyncDispose]();
    },
  },
  {
    name: "G13 clean closing: close() waits for the calls under way, and each of them finishes or fails clearly",
    run: async ({ backend }) => {
      await send(backend, ...Array.from({ length: 20 }, (_, index) => message(`m${index}`)));
      const settled: string[] = [];
      const underWay = Array.from({ length: 20 }, (_, index) => [
        backend.commit({ operations: [record(["key", String(index)], index)] }),
        backend.claim(QUEUE, { leaseMs: LONG_MS }),
        backend.get([["key"]]),
        backend.stats(QUEUE),
        backend.recover(),
        backend.count([]),
        collect(backend.list([])),
      ]).flat().map((promise: Promise<unknown>) =>
        promise.then(() => settled.push("finished"), (error) => settled.push(codeOf(error) ?? String(error)))
      );
      await backend.close();
      const inTime = settled.length;
      await Promise.all(underWay);
      const clear = new Set(["finished", "BACKEND_CLOSED", "BACKEND_UNAVAILABLE", "OUTCOME_UNKNOWN"]);
      assert.deepEqual(settled.filter((outcome) => !clear.has(outcome)), []);
      // A listing is many calls, of which only those that were made are under way.
      assert.ok(inTime >= 6 * 20, `${inTime} calls were settled when close() had ended`);
    },
  },
  {
    name: "G13 clean closing: listeners end, and a late unlisten() does no harm",
    run: async ({ backend }) => {
      let wakes = 0;
      const unlisten = await backend.listen(QUEUE, () => wakes++);
      await backend.close();
      const before = wakes;
      await rejection(() => backend.commit({ operations: [message("a")] }));
      await unlisten();
      await unlisten();
      assert.equal(wakes, before);
    },
  },
  {
    name: "G13 clean closing: close() wakes those who listen, who then find the backend closed",
    run: async ({ backend, until }) => {
      const found: unknown[] = [];
      let isClosing = false;
      await backend.listen(QUEUE, () => {
        if (!isClosing) return; // a wake may come for nothing
        backend.stats(QUEUE).then(() => found.push("open"), (error) => found.push(codeOf(error)));
      });
      isClosing = true;
      await backend.close();
      await until("a listener has looked", () => found.length > 0);
      assert.deepEqual(found.filter((each) => each !== "BACKEND_CLOSED"), []);
    },
  },
  {
    name: "G13 clean closing: a listing under way ends or fails with BACKEND_CLOSED",
    run: async ({ backend }) => {
      for (let batch = 0; batch < 20; batch++) {
        const records = Array.from({ length: 100 }, (_, index) => record(["n", `${batch}`, `${index}`], index));
        await commitMany(backend, records);
      }
      await send(backend, message("a"), message("b"));
      const listings = [backend.list([]), backend.messages(QUEUE, "ready"), backend.queues()];
      const iterators = listings.map((listing) => listing[Symbol.asyncIterator]());
      for (const iterator of iterators) assert.equal((await iterator.next()).done, false);
      await backend.close();
      for (const iterator of iterators) {
        try {
          for (let step = 0; step < 3000; step++) if ((await iterator.next()).done) break;
        } catch (error) {
          assert.equal(codeOf(error), "BACKEND_CLOSED");
        }
      }
    },
  },
  {
    name: "G13 clean closing: a second handle works on after the first is closed",
    needs: ["shared"],
    run: async ({ backend, peer }) => {
      const other = await peer();
      await send(backend, message("a"));
      await backend.close();
      await send(other, message("b"));
      assert.deepEqual((await claim(other, 10)).map(({ id }) => id), ["a", "b"]);
    },
  },
];

function calls(backend: StorageBackend): Record<string, () => Promise<unknown>> {
  return {
    get: () => backend.get([["key"]]),
    list: () => collect(backend.list([])),
    count: () => backend.count([]),
    clear: () => backend.clear([]),
    commit: () => backend.commit({ operations: [record(["key"], 1)] }),
    "empty commit": () => backend.commit({ operations: [] }),
    claim: () => backend.claim(QUEUE, { leaseMs: LONG_MS }),
    recover: () => backend.recover(),
    "recover one": () => backend.recover(QUEUE),
    messages: () => collect(backend.messages(QUEUE, "ready")),
    stats: () => backend.stats(QUEUE),
    queues: () => collect(backend.queues()),
    listen: () => backend.listen(QUEUE, () => {}),
  };
}
