/** Cases: an outage of the store never shows to those who call through a circuit breaker. @module */

import assert from "node:assert/strict";
import { fail, hold, OPEN_MS, succeed, withFleet } from "../breaker_fleet.ts";
import type { ConformanceCase } from "../case.ts";
import { codeOf, entryOf, rejection } from "../steps.ts";
import type { Fault } from "../watched_backend.ts";

const KEY = ["ao", "breaker", "service"];
const FAULTS: readonly (readonly [Fault, string])[] = [
  ["unreachable", "unreachable"],
  ["reply lost", "losing its replies"],
  ["silent", "silent"],
];
const RULES = { failureThreshold: 2, successThreshold: 1, storeTimeoutMs: 1000 };

/** Cases about a store that cannot be reached. */
export const breakerOutageCases: readonly ConformanceCase[] = [
  ...FAULTS.map(([fault, words]): ConformanceCase => ({
    name: `breaker: with the store ${words}, it goes on alone: no call is rejected for that, no error surfaces`,
    run: (context) =>
      withFleet(context, 1, RULES, async ({ advance }, { breaker, clock, store }) => {
        store.fault = fault;
        // A silent store is waited for, but not longer than the limit.
        const patiently = async <Result>(call: Promise<Result>): Promise<Result> => {
          let isDone = false;
          const done = call.finally(() => isDone = true);
          await context.until("the call ends", async () => {
            if (!isDone) await advance(50);
            return isDone;
          });
          return await done;
        };
        assert.equal((await patiently(succeed(breaker))).status, "success");
        await patiently(fail(breaker));
        await patiently(fail(breaker));
        assert.equal(breaker.getState(), "open");
        assert.equal((await succeed(breaker)).status, "rejected");
        await advance(OPEN_MS);
        assert.equal((await patiently(succeed(breaker))).status, "success");
        assert.equal(breaker.getState(), "closed");
        await patiently(breaker.isolate("by hand"));
        assert.equal((await succeed(breaker)).status, "rejected");
        await patiently(breaker.reset());
        assert.equal((await patiently(succeed(breaker))).status, "success");
        await advance(5000);
        await context.until("nothing is under way", () => clock.timers === 0);
      }),
  })),
  {
    name: "breaker: what it did alone is shared when the store is back, unless the fleet has gone on",
    run: (context) =>
      withFleet(context, 3, RULES, async ({ members, advance, untilAll }, first, second) => {
        for (const { breaker } of members) await succeed(breaker);
        for (const { store } of members) store.fault = "unreachable";
        await fail(first.breaker);
        await fail(first.breaker);
        assert.deepEqual([first.breaker.getState(), second.breaker.getState()], ["open", "closed"]);
        for (const { store } of members) store.fault = "none";
        await advance(1000);
        assert.equal((await succeed(first.breaker)).status, "rejected");
        await untilAll("open");
      }),
  },
  {
    name: "breaker: a lone trip yields to what the fleet has decided meanwhile",
    run: (context) =>
      withFleet(context, 2, RULES, async ({ advance, untilAll }, first, second) => {
        await succeed(first.breaker);
        await succeed(second.breaker);
        first.store.fault = "unreachable";
        await fail(first.breaker);
        await fail(first.breaker);
        await second.breaker.isolate("by hand");
        assert.deepEqual([first.breaker.getState(), second.breaker.getState()], ["open", "isolated"]);
        first.store.fault = "none";
        await advance(1000);
        await succeed(first.breaker);
        await untilAll("isolated");
      }),
  },
  {
    name: "breaker: a trip whose reply was lost is told as its own once, when the store is back",
    run: (context) =>
      withFleet(context, 2, RULES, async ({ advance, untilAll }, first, second) => {
        await succeed(first.breaker);
        await succeed(second.breaker);
        first.store.fault = "reply lost";
        await fail(first.breaker);
        await fail(first.breaker);
        await untilAll("open");
        first.store.fault = "none";
        await advance(1000);
        await succeed(first.breaker);
        await context.until("it is told", () => first.told.some(({ origin }) => origin === "here"));
        assert.equal(first.told.filter(({ origin }) => origin === "here").length, 1);
        assert.deepEqual(second.told.map(({ origin }) => origin), ["elsewhere"]);
      }),
  },
  {
    name: "breaker: a probe that was let through in an outage reports where its place was stored after all",
    run: (context) =>
      withFleet(context, 2, RULES, async ({ advance, untilAll }, first, second) => {
        await succeed(second.breaker);
        await fail(first.breaker);
        await fail(first.breaker);
        await untilAll("open");
        await advance(OPEN_MS);
        first.store.fault = "reply lost";
        const probe = hold(first.breaker);
        assert.ok(await probe.begun);
        await untilAll("half_open");
        first.store.fault = "none";
        probe.succeed();
        await probe.ended;
        await untilAll("closed");
      }),
  },
  {
    name: "breaker: strict, it refuses calls with the store's error while the store cannot be reached, and no longer",
    run: (context) =>
      withFleet(context, 1, { ...RULES, strict: true }, async (_, { breaker, store }) => {
        store.fault = "unreachable";
        assert.equal(codeOf(await rejection(() => breaker.call(() => "well"))), "BACKEND_UNAVAILABLE");
        assert.equal((await succeed(breaker)).status, "rejected");
        assert.equal(codeOf(await rejection(() => breaker.reset())), "BACKEND_UNAVAILABLE");
        store.fault = "none";
        assert.equal((await succeed(breaker)).status, "success");
      }),
  },
  {
    name: "breaker: through an outage of the engine itself, calls go on, and the trip is shared when it ends",
    needs: ["outages"],
    run: (context) =>
      withFleet(context, 1, RULES, async ({ advance }, { breaker, clock }) => {
        await succeed(breaker);
        const end = await context.outage();
        await fail(breaker);
        await fail(breaker);
        assert.equal(breaker.getState(), "open");
        assert.equal((await succeed(breaker)).status, "rejected");
        await end();
        await context.until("the trip is stored", async () => {
          await advance(1000);
          await succeed(breaker);
          return (await context.backend.get([KEY]).catch(() => [null]))[0] !== null;
        });
        const { value } = await entryOf(context.backend, KEY);
        assert.ok(typeof value === "object" && value !== null && Reflect.get(value, "kind") === "open");
        await context.until("nothing is under way", () => clock.timers === 0);
      }),
  },
];
