/** Cases: a half-open circuit breaker lets a few calls of the whole fleet through, and learns from each. @module */

import assert from "node:assert/strict";
import type { CircuitBreakerOptions } from "../../resilience/breaker_options.ts";
import {
  fail,
  type Fleet,
  type HeldCall,
  hold,
  LEASE_MS,
  type Member,
  OPEN_MS,
  succeed,
  withBreaker,
  withFleet,
} from "../breaker_fleet.ts";
import type { CaseContext, ConformanceCase } from "../case.ts";
import { ManualClock } from "../manual_clock.ts";

/** Runs a case that begins when the open time is over. */
function withFleetToProbe(
  context: CaseContext,
  size: number,
  options: CircuitBreakerOptions,
  run: (fleet: Fleet, first: Member, second: Member) => Promise<void>,
): Promise<void> {
  return withFleet(context, size, { failureThreshold: 1, ...options }, async (fleet, first, second) => {
    for (const { breaker } of fleet.members) await succeed(breaker);
    await fail(first.breaker);
    await fleet.untilAll("open");
    await fleet.advance(options.openMs ?? OPEN_MS);
    await run(fleet, first, second);
  });
}

/** Cases about probes. */
export const breakerProbeCases: readonly ConformanceCase[] = [
  {
    name: "breaker: no probe goes through before the open time is over, though clocks are ten minutes apart",
    run: (context) =>
      withFleet(context, 3, { failureThreshold: 1 }, async ({ members, advance, untilAll }, first) => {
        for (const { breaker } of members) await succeed(breaker);
        await fail(first.breaker);
        await untilAll("open");
        await advance(OPEN_MS - 100); // waiting for the others has moved no clock of theirs
        for (const { breaker } of members) assert.equal((await succeed(breaker)).status, "rejected");
        await advance(100);
        assert.equal((await succeed(first.breaker)).status, "success");
      }),
  },
  {
    name: "breaker: who comes late counts the open time by the engine's clock, or in full by its own where it has none",
    run: (context) =>
      withFleet(context, 1, { failureThreshold: 1, openMs: context.shortMs }, async (_, { breaker }) => {
        await fail(breaker);
        await breaker.close();
        await context.elapse(context.shortMs);
        const clock = new ManualClock();
        const { backend, shortMs: openMs } = context;
        await withBreaker({ name: "service", backend, clock, openMs }, async (late) => {
          if (backend.traits.clock === "injected") {
            assert.equal((await succeed(late)).status, "rejected");
            await clock.advance(openMs - 1);
            assert.equal((await succeed(late)).status, "rejected");
            await clock.advance(1);
          }
          assert.equal((await succeed(late)).status, "success");
        });
      }),
  },
  {
    name: "breaker: half open, the fleet has at most halfOpenMaxCalls probes at once, the rest is rejected",
    run: (context) =>
      withFleetToProbe(context, 5, { halfOpenMaxCalls: 3 }, async ({ members }) => {
        const calls = members.flatMap(({ breaker }) => Array.from({ length: 4 }, () => hold(breaker)));
        const begun = await Promise.all(calls.map((call) => call.begun));
        assert.equal(begun.filter((through) => through).length, 3);
        for (const call of calls) call.succeed();
        await Promise.all(calls.map((call) => call.ended));
      }),
  },
  {
    name: "breaker: half open, no more calls are let through than may be needed to close it",
    run: (context) =>
      withFleetToProbe(context, 2, { halfOpenMaxCalls: 2, successThreshold: 2 }, async (fleet, first, second) => {
        const slow = hold(first.breaker);
        assert.ok(await slow.begun);
        await fleet.untilAll("half_open");
        assert.equal((await succeed(second.breaker)).status, "success");
        assert.equal((await succeed(second.breaker)).status, "rejected");
        slow.succeed();
        await slow.ended;
        await fleet.untilAll("closed");
      }),
  },
  {
    name: "breaker: enough successes close it for all, though more are asked for than may run at once",
    run: (context) =>
      withFleetToProbe(context, 2, { halfOpenMaxCalls: 1, successThreshold: 3 }, async (fleet, first, second) => {
        assert.equal((await succeed(first.breaker)).status, "success");
        const goesThrough = ({ breaker }: Member) => async () => (await succeed(breaker)).status === "success";
        await context.until("the second goes through", goesThrough(second));
        assert.equal(second.breaker.getState(), "half_open");
        await context.until("the third goes through", goesThrough(first));
        await fleet.untilAll("closed");
      }),
  },
  {
    name: "breaker: a failed probe opens it again for all, for longer each time, until it closes",
    run: (context) =>
      withFleetToProbe(
        context,
        2,
        { openFactor: 2, maxOpenMs: 3 * OPEN_MS, successThreshold: 1 },
        async (fleet, first) => {
          const opensFor = async (ms: number) => {
            await fail(first.breaker);
            await fleet.untilAll("open");
            const outcome = await succeed(first.breaker);
            assert.ok(outcome.status === "rejected");
            assert.equal(outcome.retryAfterMs, ms);
            await fleet.advance(ms);
          };
          await opensFor(2 * OPEN_MS);
          await opensFor(3 * OPEN_MS);
          await succeed(first.breaker);
          await fleet.untilAll("closed");
          await opensFor(OPEN_MS);
        },
      ),
  },
  {
    name: "breaker: a probe that hangs counts as a failure when its lease ends, and its late success changes nothing",
    run: (context) =>
      withFleetToProbe(context, 2, { successThreshold: 1 }, async ({ advance, untilAll }, first) => {
        const hung = hold(first.breaker);
        assert.ok(await hung.begun);
        await untilAll("half_open");
        await advance(LEASE_MS);
        await untilAll("open");
        hung.succeed();
        assert.equal((await hung.ended).status, "success");
        assert.equal(first.breaker.getState(), "open");
      }),
  },
  {
    name: "breaker: the probe of a process that died counts as a failure when its lease ends, and no place is lost",
    run: (context) =>
      withFleetToProbe(context, 2, { halfOpenMaxCalls: 1, successThreshold: 1 }, async (fleet, first, second) => {
        const lost = hold(first.breaker);
        assert.ok(await lost.begun);
        await fleet.untilAll("half_open");
        first.store.fault = "silent"; // as good as dead
        assert.equal((await succeed(second.breaker)).status, "rejected");
        await second.clock.advance(LEASE_MS);
        const rejected = await succeed(second.breaker);
        assert.ok(rejected.status === "rejected" && rejected.retryAfterMs === OPEN_MS);
        await second.clock.advance(OPEN_MS);
        assert.equal((await succeed(second.breaker)).status, "success");
        assert.equal(second.breaker.getState(), "closed");
        lost.succeed();
        await first.clock.advance(LEASE_MS + OPEN_MS); // it gives up on the silent store
        await lost.ended;
      }),
  },
  {
    name: "breaker: a caller's abort counts as nothing: it frees the place of a probe",
    run: (context) =>
      withFleetToProbe(context, 2, { halfOpenMaxCalls: 1, successThreshold: 1 }, async (fleet, first, second) => {
        const controller = new AbortController();
        const aborted = hold(first.breaker, controller.signal);
        assert.ok(await aborted.begun);
        await fleet.untilAll("half_open");
        assert.equal((await succeed(second.breaker)).status, "rejected");
        controller.abort(new Error("enough"));
        assert.equal((await aborted.ended).status, "aborted");
        assert.equal(first.breaker.getState(), "half_open");
        await context.until("another probe goes", async () => (await succeed(second.breaker)).status === "success");
        await fleet.untilAll("closed");
      }),
  },
  {
    name: "breaker: a call that takes longer than callTimeoutMs is ended and counts as a failure, also as a probe",
    run: (context) =>
      withFleet(context, 2, { failureThreshold: 1, callTimeoutMs: 500, probeLeaseMs: 500 }, async (fleet, first) => {
        for (const expected of [1, 3]) {
          const slow = hold(first.breaker);
          assert.ok(await slow.begun);
          await first.clock.advance(500);
          const outcome = await slow.ended;
          assert.ok(outcome.status === "failure" && outcome.error instanceof DOMException);
          await fleet.untilAll("open");
          assert.equal(first.breaker.getMetrics().generation, expected);
          await fleet.advance(OPEN_MS);
        }
      }),
  },
  {
    name: "breaker: a rush of calls asks the store for no more places than there are",
    run: (context) =>
      withFleetToProbe(context, 1, { halfOpenMaxCalls: 3 }, async (_, { breaker, clock, store }) => {
        const rush = async (places: number, probes: number): Promise<HeldCall[]> => {
          await context.until("only leases are timed", () => clock.timers === probes);
          store.calls = 0;
          const calls = Array.from({ length: 1000 }, () => hold(breaker));
          const begun = await Promise.all(calls.map((call) => call.begun));
          assert.equal(begun.filter((through) => through).length, places);
          // For each place a write, perhaps one that met another's, and a look before and after.
          assert.ok(store.calls <= 8 * places, `${store.calls} calls`);
          return calls;
        };
        const controller = new AbortController();
        const dropped = hold(breaker, controller.signal);
        assert.ok(await dropped.begun);
        const calls = await rush(2, 1);
        controller.abort();
        await dropped.ended;
        calls.push(...await rush(1, 2));
        for (const call of calls) call.succeed();
        await Promise.all(calls.map((call) => call.ended));
        assert.equal(breaker.getState(), "closed");
        await fail(breaker);
        await clock.advance(OPEN_MS);
        for (const call of await rush(3, 0)) call.succeed();
        await context.until("it is closed", () => breaker.getState() === "closed");
      }),
  },
];
