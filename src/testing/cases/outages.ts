/** Cases: an outage is bounded, and ends without a restart. @module */

import assert from "node:assert/strict";
import { systemClock } from "../../clock.ts";
import type { StorageBackend } from "../../storage/backend.ts";
import { collect } from "../../storage/es2024.ts";
import { type CaseContext, type ConformanceCase, LONG_MS } from "../case.ts";
import { claim, claimIds, codeOf, commit, message, QUEUE, record, send } from "../steps.ts";

// A call may outlive its time limit by so much.
const GRACE_MS = 1000;

/** Cases about an engine that cannot be reached. */
export const outageCases: readonly ConformanceCase[] = [
  {
    name: "G12 bounded outages: every call fails with BACKEND_UNAVAILABLE within its time limit",
    needs: ["outages"],
    run: async ({ backend, outage, callLimitMs, until }) => {
      await send(backend, message("a"));
      const end = await outage();
      const startMs = systemClock.now();
      const codes = await Promise.all(
        calls(backend).map((call) => call().then(() => "done", (error) => codeOf(error) ?? `${error}`)),
      );
      const tookMs = systemClock.now() - startMs;
      assert.ok(tookMs <= callLimitMs + GRACE_MS, `the calls took ${tookMs} ms`);
      // A write may have been on its way when the engine went.
      for (const code of codes) assert.match(code, /^(BACKEND_UNAVAILABLE|OUTCOME_UNKNOWN)$/);
      const { healthy, error } = await backend.ping();
      assert.deepEqual([healthy, typeof error], [false, "string"]);
      await end();
      await until("it answers again", async () => (await backend.ping()).healthy);
      assert.deepEqual(await claimIds(backend, 10), ["a"]);
    },
  },
  {
    name: "G12 outages end: work goes on with no restart, and nothing accepted is lost",
    needs: ["outages"],
    run: async ({ backend, outage, until }) => {
      await send(backend, message("before"));
      const end = await outage();
      const sending = Promise.allSettled(
        Array.from({ length: 20 }, (_, index) => backend.commit({ operations: [message(`m${index}`)] })),
      );
      await sending;
      await end();
      await until("it answers again", async () => (await backend.ping()).healthy);
      // To send again by the same ids doubles nothing, whatever became of the first time.
      for (let index = 0; index < 20; index++) await commit(backend, [message(`m${index}`)]);
      const claimed = await claimIds(backend, 100);
      assert.equal(claimed.length, 21);
      assert.equal(new Set(claimed).size, 21);
    },
  },
  {
    name: "G12 outages end: a lease that was live before the outage can be settled after it",
    needs: ["outages"],
    run: async ({ backend, outage, until }) => {
      await send(backend, message("a"));
      const [held] = await claim(backend, 1);
      assert.ok(held);
      await (await outage())();
      await until("it answers again", async () => (await backend.ping()).healthy);
      await commit(backend, [{ type: "ack", queue: held.queue, id: held.id, token: held.token }]);
    },
  },
  {
    name: "G12 outages end: listeners are woken again",
    needs: ["outages"],
    run: async (context: CaseContext) => {
      const { backend, outage, until } = context;
      let wakes = 0;
      const unlisten = await backend.listen(QUEUE, () => wakes++);
      await (await outage())();
      await until("it answers again", async () => (await backend.ping()).healthy);
      let sent = 0;
      await until("the listener is woken", async () => {
        const before = wakes;
        await send(backend, message(`m${sent++}`));
        await context.elapse(backend.traits.wakeWithinMs);
        return wakes > before;
      });
      await unlisten();
    },
  },
  {
    name: "G13 clean closing: a listening ends without waiting for the engine during an outage",
    needs: ["outages"],
    run: async ({ backend, outage, callLimitMs }) => {
      const endOther = await backend.listen(["other"], () => {});
      const unlisten = await backend.listen(QUEUE, () => {});
      const end = await outage();
      const startMs = systemClock.now();
      await unlisten();
      await endOther();
      const tookMs = systemClock.now() - startMs;
      assert.ok(tookMs < callLimitMs, `it took ${tookMs} ms`);
      await end();
    },
  },
  {
    name: "G13 clean closing: close() ends within its time limit during an outage",
    needs: ["outages"],
    run: async ({ backend, outage, callLimitMs }) => {
      const end = await outage();
      const pending = backend.get([["key"]]).catch(codeOf);
      const startMs = systemClock.now();
      await backend.close();
      assert.ok(systemClock.now() - startMs <= callLimitMs + GRACE_MS);
      assert.match(String(await pending), /^BACKEND_(UNAVAILABLE|CLOSED)$/);
      await end();
    },
  },
];

function calls(backend: StorageBackend): (() => Promise<unknown>)[] {
  return [
    () => backend.get([["key"]]),
    () => collect(backend.list([])),
    () => backend.count([]),
    () => backend.clear([]),
    () => backend.commit({ operations: [record(["key"], 1)] }),
    () => backend.claim(QUEUE, { leaseMs: LONG_MS }),
    () => backend.recover(),
    () => collect(backend.messages(QUEUE, "ready")),
    () => backend.stats(QUEUE),
    () => collect(backend.queues()),
  ];
}
