import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { type BoundedRun, runBounded, timeLimitError } from "../../src/resilience/time_limit.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";

const WHAT = "the run";

Deno.test("runBounded() gives the result or the error, and leaves no timer", async () => {
  const clock = new ManualClock();
  assertEquals(await runBounded(() => 1, { clock, limitMs: 100, what: WHAT }), 1);
  const throwing = () => {
    throw new Error("down");
  };
  await assertRejects(() => runBounded(throwing, { clock, limitMs: 100, what: WHAT }), Error, "down");
  assertEquals(clock.timers, 0);
});

Deno.test("runBounded() rejects at the limit with a TimeoutError, which the run's signal has as its reason", async () => {
  const clock = new ManualClock();
  const reasons: unknown[] = [];
  const running = runBounded(({ signal }) => {
    signal.addEventListener("abort", () => reasons.push(signal.reason));
    return new Promise(() => {});
  }, { clock, limitMs: 100, what: WHAT });
  const error = assertRejects(() => running, DOMException, "Cannot finish the run: it took longer than 100 ms");
  await clock.advance(100);
  const timeout = await error;
  assertEquals(timeout.name, "TimeoutError");
  assertStrictEquals(reasons[0], timeout);
});

Deno.test("runBounded() passes over what a run does after its end", async () => {
  const clock = new ManualClock();
  const late = Promise.withResolvers<number>();
  const running = runBounded(() => late.promise, { clock, limitMs: 100, what: WHAT });
  const rejected = assertRejects(() => running, DOMException);
  await clock.advance(100);
  late.reject(new Error("nobody hears this"));
  await rejected;
});

Deno.test("runBounded() does not begin when the signal was aborted before", async () => {
  const clock = new ManualClock();
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => runBounded(() => assert(false, "it ran"), { clock, signal, what: WHAT }), Error, "enough");
});

Deno.test("runBounded() lets a run end within the grace after an abort, and no longer", async () => {
  const clock = new ManualClock();
  for (const answersInMs of [200, 201]) {
    const controller = new AbortController();
    const { signal } = controller;
    const run = () => new Promise<string>((resolve) => void clock.setTimer(() => resolve("done"), answersInMs));
    const running = runBounded(run, { clock, limitMs: 100, signal, graceMs: 200, what: WHAT }).catch((error) => error);
    controller.abort("enough");
    await clock.advance(201);
    assertEquals(await running, answersInMs === 200 ? "done" : "enough");
    assertEquals(clock.timers, 0);
  }
});

Deno.test("runBounded() aborts a signal that the run takes only after its end", async () => {
  const clock = new ManualClock();
  const taken: BoundedRun[] = [];
  const running = runBounded((bounded) => {
    taken.push(bounded);
    return new Promise(() => {});
  }, { clock, limitMs: 100, what: WHAT });
  const error = assertRejects(() => running, DOMException);
  await clock.advance(100);
  const timeout = await error;
  const [bounded] = taken;
  assertEquals([bounded?.signal.aborted, bounded?.signal.aborted], [true, true]);
  assertStrictEquals(bounded?.signal.reason, timeout);
});

Deno.test("timeLimitError() has a cause where one is given", () => {
  const cause = new Error("before");
  assertStrictEquals(timeLimitError("it", 5, { cause }).cause, cause);
  assertStrictEquals(timeLimitError("it", 5).cause, undefined);
});
