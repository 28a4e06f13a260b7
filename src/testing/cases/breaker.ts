/** Cases: a circuit breaker is one for the whole fleet. @module */

import assert from "node:assert/strict";
import { systemClock } from "../../clock.ts";
import { CircuitBreakerOpenError } from "../../resilience/breaker_error.ts";
import { fail, hold, OPEN_MS, succeed, withBreaker, withFleet } from "../breaker_fleet.ts";
import type { ConformanceCase } from "../case.ts";
import { entryOf, rejection } from "../steps.ts";

const KEY = ["ao", "breaker", "service"];
const TRIP = { failureThreshold: 2 };

/** Cases about what the members of a fleet see of each other. */
export const breakerCases: readonly ConformanceCase[] = [
  {
    name: "breaker: a trip is local at once, and shared right after",
    run: (context) =>
      withFleet(context, 3, TRIP, async ({ untilAll }, first, second) => {
        await succeed(second.breaker);
        await fail(first.breaker);
        await fail(first.breaker);
        assert.equal(first.breaker.getState(), "open");
        assert.equal((await succeed(first.breaker)).status, "rejected");
        await untilAll("open");
        let called = false;
        const error = await rejection(() => second.breaker.call(() => called = true));
        assert.ok(error instanceof CircuitBreakerOpenError);
        assert.deepEqual([error.code, error.breaker, error.retryAfterMs, called], [
          "CIRCUIT_OPEN",
          "service",
          OPEN_MS,
          false,
        ]);
      }),
  },
  {
    name: "breaker: others see a trip within 50 ms of the time within which the backend wakes them",
    run: (context) =>
      withFleet(context, 2, { failureThreshold: 1 }, async ({ untilAll }, first, second) => {
        let bestMs = Infinity; // of several, for the machine may be busy
        for (let round = 0; round < 5; round++) {
          await succeed(first.breaker);
          await succeed(second.breaker);
          const startMs = systemClock.now();
          await fail(first.breaker);
          await untilAll("open");
          bestMs = Math.min(bestMs, systemClock.now() - startMs);
          await second.breaker.reset();
          await untilAll("closed");
        }
        assert.ok(bestMs <= context.backend.traits.wakeWithinMs + 50, `it took ${bestMs} ms`);
      }),
  },
  {
    name: "breaker: a process that comes later finds it as the fleet left it, at its first call",
    run: (context) =>
      withFleet(context, 1, TRIP, async (_, { breaker, clock }) => {
        await fail(breaker);
        await fail(breaker);
        await breaker.close();
        await withBreaker({ name: "service", backend: context.backend, clock }, async (late) => {
          assert.equal((await succeed(late)).status, "rejected");
        });
      }),
  },
  {
    name: "breaker: 10,000 closed calls and 10,000 rejected ones make no call to the store but the floor poll",
    run: (context) =>
      withFleet(context, 1, TRIP, async ({ advance }, { breaker, clock, store }) => {
        await succeed(breaker);
        store.calls = 0;
        for (let count = 0; count < 10_000; count++) await succeed(breaker);
        assert.ok(store.calls <= 1, `${store.calls} calls`); // a wake may come for nothing
        store.calls = 0;
        await advance(1000);
        for (let count = 0; count < 1000; count++) await succeed(breaker);
        assert.ok(store.calls >= 1 && store.calls <= 2, `${store.calls} calls where one look was due`);
        await fail(breaker);
        await fail(breaker);
        await context.until("the trip is stored", async () => (await context.backend.get([KEY]))[0] !== null);
        await context.until("nothing is under way", () => clock.timers === 0);
        store.calls = 0;
        for (let count = 0; count < 10_000; count++) assert.equal((await succeed(breaker)).status, "rejected");
        assert.ok(store.calls <= 1, `${store.calls} calls`);
      }),
  },
  {
    name: "breaker: no timer is left while it is idle, whatever its state",
    run: (context) =>
      withFleet(context, 2, TRIP, async ({ advance, untilAll }, first, second) => {
        const isIdle = () => first.clock.timers + second.clock.timers === 0;
        await succeed(first.breaker);
        await context.until("it is idle when closed", isIdle);
        await fail(first.breaker);
        await fail(first.breaker);
        await untilAll("open");
        await context.until("it is idle when open", isIdle);
        await advance(OPEN_MS);
        await succeed(first.breaker);
        await untilAll("half_open");
        await context.until("it is idle when half open", isIdle);
      }),
  },
  {
    name: "breaker: two that trip at once make one transition, and one of them tells it as its own",
    run: (context) =>
      withFleet(context, 4, TRIP, async ({ members, untilAll }) => {
        for (const { breaker } of members) await succeed(breaker);
        for (let count = 0; count < 2; count++) await Promise.all(members.map(({ breaker }) => fail(breaker)));
        await untilAll("open");
        await context.until("all have told it", () => members.every(({ told }) => told.length > 0));
        const told = members.flatMap((member) => member.told);
        assert.deepEqual(
          told.map(({ from, to, generation }) => [from, to, generation]),
          Array(4).fill(["closed", "open", 1]),
        );
        assert.equal(told.filter(({ origin }) => origin === "here").length, 1);
      }),
  },
  {
    name: "breaker: the generation rises by one at every transition, with one event of its own for each",
    run: (context) =>
      withFleet(context, 3, { failureThreshold: 1, successThreshold: 1 }, async (fleet, first, second) => {
        for (let cycle = 0; cycle < 3; cycle++) {
          await fail(first.breaker);
          await fleet.untilAll("open");
          await fleet.advance(OPEN_MS);
          await succeed(second.breaker);
          await fleet.untilAll("closed");
        }
        assert.equal(first.breaker.getMetrics().generation, 9);
        const own = fleet.members.flatMap(({ told }) => told).filter(({ origin }) => origin === "here");
        assert.deepEqual(own.map(({ generation }) => generation).sort(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
      }),
  },
  {
    name: "breaker: an outcome that belongs to an older generation changes nothing",
    run: (context) =>
      withFleet(context, 2, { failureThreshold: 1 }, async ({ untilAll }, first, second) => {
        const late = hold(first.breaker);
        assert.ok(await late.begun);
        await fail(second.breaker);
        await untilAll("open");
        await second.breaker.reset();
        await untilAll("closed");
        const before = first.breaker.getMetrics().generation;
        late.fail();
        assert.equal((await late.ended).status, "failure");
        assert.deepEqual([first.breaker.getState(), first.breaker.getMetrics().generation], ["closed", before]);
      }),
  },
  {
    name: "breaker: isolate() rejects the calls of all until reset(), however long that takes",
    run: (context) =>
      withFleet(context, 2, {}, async ({ advance, untilAll }, first, second) => {
        await succeed(second.breaker);
        await first.breaker.isolate("maintenance");
        await untilAll("isolated");
        await advance(10 * OPEN_MS);
        const outcome = await succeed(second.breaker);
        assert.ok(outcome.status === "rejected" && outcome.retryAfterMs === Infinity);
        assert.equal(second.told.at(-1)?.reason, "maintenance");
        await second.breaker.reset();
        await untilAll("closed");
        assert.equal((await succeed(first.breaker)).status, "success");
      }),
  },
  {
    name: "breaker: breakers of different names and namespaces do not meet",
    run: (context) =>
      withFleet(context, 1, TRIP, async (_, { breaker, clock }) => {
        await fail(breaker);
        await fail(breaker);
        const { backend } = context;
        for (const place of [{ name: "other" }, { name: "service", namespace: ["ao", "tenant"] }]) {
          await withBreaker({ ...place, backend, clock }, async (another) => {
            assert.equal((await succeed(another)).status, "success");
          });
        }
      }),
  },
  {
    name: "breaker: its record expires when nobody uses it",
    run: (context) =>
      withFleet(context, 1, { recordTtlMs: context.shortMs }, async (_, { breaker }) => {
        await breaker.isolate("for a while");
        const { expiresAtMs } = await entryOf(context.backend, KEY);
        assert.ok(expiresAtMs !== undefined);
        await breaker.close();
        await context.elapse(context.shortMs);
        assert.deepEqual(await context.backend.get([KEY]), [null]);
      }),
  },
  {
    name: "breaker: its record is written again when it has gone while in use",
    run: (context) =>
      withFleet(context, 1, {}, async ({ advance }, { breaker, clock }) => {
        await breaker.isolate("to be remembered");
        await context.until("nothing is under way", () => clock.timers === 0);
        await context.backend.commit({ operations: [{ type: "delete", key: KEY }] });
        await advance(1000);
        assert.equal((await succeed(breaker)).status, "rejected");
        await context.until("the record is there again", async () => (await context.backend.get([KEY]))[0] !== null);
        await context.until("nothing is under way", () => clock.timers === 0);
      }),
  },
  {
    name: "breaker: a record of a newer version is read, its unknown fields passed over",
    run: async (context) => {
      const newer = { v: 2, kind: "isolated", generation: 7, revision: 0, by: "x", reason: "r", later: { more: [1] } };
      await context.backend.commit({ operations: [{ type: "set", key: KEY, value: newer }] });
      await withFleet(context, 1, TRIP, async (_, { breaker }) => {
        assert.equal((await succeed(breaker)).status, "rejected");
        assert.deepEqual([breaker.getState(), breaker.getMetrics().generation], ["isolated", 7]);
      });
    },
  },
  {
    name: "breaker: a record that cannot be read rejects nothing and is left alone",
    run: async (context) => {
      const unknown = { v: 9, kind: "half_closed", generation: 7, revision: 0, by: "x" };
      await context.backend.commit({ operations: [{ type: "set", key: KEY, value: unknown }] });
      await withFleet(context, 1, TRIP, async (_, { breaker }) => {
        assert.equal((await succeed(breaker)).status, "success");
        await fail(breaker);
        await fail(breaker);
        assert.equal(breaker.getState(), "open");
        await breaker.reset();
        assert.equal(breaker.getState(), "closed");
      });
      assert.deepEqual((await entryOf(context.backend, KEY)).value, unknown);
    },
  },
];
