/** Clocks: the system's, sleeping on one, and the one that tests move. @module */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { monotonicMs, sleep, systemClock } from "../src/clock.ts";
import { ManualClock } from "../src/testing/mod.ts";

Deno.test("systemClock tells the platform's time and fires the platform's timers", async () => {
  assert(Math.abs(systemClock.now() - Date.now()) < 1000);
  await new Promise<void>((resolve) => systemClock.setTimer(resolve, 0));
});

Deno.test("systemClock.monotonic() goes with a faked Date, where performance is not faked", () => {
  const before = monotonicMs(systemClock);
  const time = new FakeTime();
  try {
    const start = monotonicMs(systemClock);
    assert(Math.abs(start - before) < 60_000);
    time.tick(3_600_000);
    assertEquals(monotonicMs(systemClock) - start, 3_600_000);
  } finally {
    time.restore();
  }
  assert(Math.abs(monotonicMs(systemClock) - before) < 60_000);
});

Deno.test("systemClock.setTimer() can be cancelled, and does not fire at once for a delay that is too long", async () => {
  let fired = 0;
  const cancels = [0, -5, 2 ** 40, Infinity].map((delayMs) => systemClock.setTimer(() => fired++, delayMs));
  cancels[0]?.();
  cancels[1]?.();
  await new Promise<void>((resolve) => systemClock.setTimer(resolve, 5));
  assertEquals(fired, 0);
  for (const cancel of cancels) cancel();
});

Deno.test("sleep() ends when the time is over", async () => {
  const clock = new ManualClock();
  let over = false;
  const sleeping = sleep(clock, 1000).then(() => over = true);
  await clock.advance(999);
  assertEquals(over, false);
  await clock.advance(1);
  assertEquals(over, true);
  await sleeping;
});

Deno.test("sleep() ends with the signal's reason, and leaves no timer", async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const sleeping = assertRejects(() => sleep(clock, 1000, controller.signal), Error, "enough");
  assertEquals(clock.timers, 1);
  controller.abort(new Error("enough"));
  await sleeping;
  assertEquals(clock.timers, 0);
  await assertRejects(() => sleep(clock, 1000, controller.signal), Error, "enough");
  assertEquals(clock.timers, 0);
});

Deno.test("sleep() lets go of the signal when it is over", async () => {
  const clock = new ManualClock();
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
  const sleeping = sleep(clock, 10, signal);
  assertEquals(listeners, 1);
  await clock.advance(10);
  await sleeping;
  assertEquals(listeners, 0);
});

Deno.test("ManualClock stands still until it is moved", async () => {
  const clock = new ManualClock(5000);
  assertEquals(clock.now(), 5000);
  await clock.advance(0);
  assertEquals(clock.now(), 5000);
  await clock.advance(1500);
  assertEquals(clock.now(), 6500);
  await assertRejects(() => clock.advance(-1), RangeError, "ms must be at least 0");
  await assertRejects(() => clock.advance(NaN), RangeError, "ms must be at least 0");
});

Deno.test("ManualClock.advance() fires timers in order, each at its own time, also those that are set on the way", async () => {
  const clock = new ManualClock(0);
  const fired: [string, number][] = [];
  const note = (name: string) => () => void fired.push([name, clock.now()]);
  clock.setTimer(note("late"), 300);
  clock.setTimer(note("early"), 100);
  clock.setTimer(note("at once"), 0);
  clock.setTimer(note("early too"), 100);
  clock.setTimer(() => clock.setTimer(note("chained"), 50), 100);
  clock.setTimer(note("beyond"), 301);
  const cancel = clock.setTimer(note("cancelled"), 200);
  clock.setTimer(cancel, 150);
  await clock.advance(300);
  assertEquals(fired, [["at once", 0], ["early", 100], ["early too", 100], ["chained", 150], ["late", 300]]);
  assertEquals([clock.now(), clock.timers], [300, 1]);
});

Deno.test("ManualClock.advance() lets what waits go on before the next timer fires", async () => {
  const clock = new ManualClock(0);
  const times: number[] = [];
  const loop = (async () => {
    for (let round = 0; round < 5; round++) {
      await sleep(clock, 10);
      times.push(clock.now());
    }
  })();
  await clock.advance(100);
  await loop;
  assertEquals(times, [10, 20, 30, 40, 50]);
});

Deno.test("ManualClock.jump() changes the time that it shows, and neither timers nor durations", async () => {
  const clock = new ManualClock(5000);
  const fired: number[] = [];
  clock.setTimer(() => fired.push(clock.now()), 100);
  const startedAtMs = clock.monotonic();
  clock.jump(-4000);
  assertEquals(clock.now(), 1000);
  await clock.advance(99);
  assertEquals(fired, []);
  await clock.advance(1);
  assertEquals([fired, clock.monotonic() - startedAtMs], [[1100], 100]);
});

Deno.test("monotonicMs() goes by the clock where that has no monotonic reading, and never back", () => {
  assertEquals(monotonicMs({ now: () => 7, setTimer: () => () => {} }), 7);
  const before = monotonicMs(systemClock);
  assert(monotonicMs(systemClock) >= before);
});
