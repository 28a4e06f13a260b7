import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { ConsecutiveFailures, FailuresInWindow } from "../../src/resilience/trip_rule.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";

Deno.test("ConsecutiveFailures.failure() is one too many at the threshold, and a success starts over", () => {
  const rule = new ConsecutiveFailures(3);
  assertEquals([rule.failure(), rule.failure()], [false, false]);
  rule.success();
  assertEquals([rule.failure(), rule.failure(), rule.failure()], [false, false, true]);
  rule.reset();
  assertEquals([rule.failures, rule.failure()], [0, false]);
});

Deno.test("FailuresInWindow.failure() is one too many at the share, not before the minimum of calls", () => {
  const rule = new FailuresInWindow({ threshold: 0.5, windowMs: 1000, minimumCalls: 4 }, new ManualClock());
  assertEquals([rule.failure(), rule.failure(), rule.failure()], [false, false, false]);
  rule.success();
  rule.success();
  rule.success();
  rule.success();
  assertEquals([rule.failures, rule.failure()], [3, true]); // 4 of 8
});

Deno.test("FailuresInWindow.failure() forgets what is older than the window", async () => {
  const clock = new ManualClock();
  const rule = new FailuresInWindow({ threshold: 1, windowMs: 1000, minimumCalls: 2 }, clock);
  rule.failure();
  await clock.advance(899);
  assertEquals(rule.failures, 1);
  await clock.advance(101);
  assertEquals([rule.failures, rule.failure()], [0, false]);
});

Deno.test("FailuresInWindow.failure() counts as a list of all calls does, in buckets of a tenth of the window", async () => {
  const step = fc.record({ ms: fc.integer({ min: 0, max: 400 }), failed: fc.boolean() });
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
    const clock = new ManualClock();
    const rule = new FailuresInWindow({ threshold: 0.5, windowMs: 1000, minimumCalls: 3 }, clock);
    const calls: { readonly bucket: number; readonly failed: boolean }[] = [];
    for (const { ms, failed } of steps) {
      await clock.advance(ms);
      const bucket = Math.floor(clock.now() / 100);
      calls.push({ bucket, failed });
      const counted = calls.filter((call) => call.bucket > bucket - 10);
      const failures = counted.filter((call) => call.failed).length;
      if (failed) assertEquals(rule.failure(), counted.length >= 3 && failures >= counted.length / 2);
      else rule.success();
      assertEquals(rule.failures, failures);
    }
  }));
});

Deno.test("FailuresInWindow.failure() counts from zero when the clock is set back", () => {
  let nowMs = 1e12;
  const clock = { now: () => nowMs, setTimer: () => () => {} };
  const rule = new FailuresInWindow({ threshold: 1, windowMs: 1000, minimumCalls: 2 }, clock);
  rule.failure();
  nowMs -= 1e9;
  assertEquals([rule.failure(), rule.failures], [false, 1]);
});

Deno.test("FailuresInWindow.failure() costs the same with 100,000 calls in the window", () => {
  const clock = new ManualClock();
  const time = (calls: number) => {
    const rule = new FailuresInWindow({ threshold: 1, windowMs: 1e6, minimumCalls: 1e9 }, clock);
    for (let count = 0; count < calls; count++) rule.success();
    const startMs = performance.now();
    for (let count = 0; count < 20_000; count++) rule.failure();
    return performance.now() - startMs;
  };
  time(0);
  const ratio = Math.min(time(100_000), time(100_000), time(100_000)) / Math.max(time(0), time(0), 0.2);
  assert(ratio < 20, `it takes ${ratio} times as long`); // a scan of the window would take 10,000 times as long
});

Deno.test("ConsecutiveFailures.failure() is one too many at once when the threshold is 1", () => {
  const rule = new ConsecutiveFailures(1);
  assertEquals([rule.failures, rule.failure()], [0, true]);
});

Deno.test("FailuresInWindow.failure() needs ten calls unless told otherwise", () => {
  const rule = new FailuresInWindow({ threshold: 0.1, windowMs: 1000 }, new ManualClock());
  const trips = Array.from({ length: 10 }, () => rule.failure());
  assertEquals(trips.indexOf(true), 9);
});

Deno.test("FailuresInWindow.failures counts what is at the end of the window's first tenth", async () => {
  const clock = new ManualClock();
  const rule = new FailuresInWindow({ threshold: 1, windowMs: 1000 }, clock);
  rule.failure();
  await clock.advance(999);
  assertEquals(rule.failures, 1);
  await clock.advance(1);
  assertEquals(rule.failures, 0);
});

Deno.test("FailuresInWindow.reset() forgets everything, and time that goes on takes nothing off what comes then", async () => {
  const clock = new ManualClock();
  const rule = new FailuresInWindow({ threshold: 1, windowMs: 1000, minimumCalls: 2 }, clock);
  for (let count = 0; count < 3; count++) {
    rule.success();
    rule.failure();
  }
  rule.reset();
  assertEquals(rule.failures, 0);
  await clock.advance(500);
  assertEquals([rule.failure(), rule.failure()], [false, true]);
  await clock.advance(600); // over the tenth in which there was something before
  assertEquals([rule.failures, rule.failure()], [2, true]);
});
