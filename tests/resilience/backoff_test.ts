import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  backoffDelayMs,
  backoffDelays,
  equalJitter,
  fullJitter,
  type JitterKind,
} from "../../src/resilience/backoff.ts";
import { randomFractions } from "../../src/testing/random.ts";

const CURVE = { baseDelayMs: 1000, factor: 2, maxDelayMs: 30_000 };
const JITTERS: readonly JitterKind[] = ["none", "full", "equal", "decorrelated"];

Deno.test("backoffDelayMs() doubles from the base up to the cap", () => {
  const delays = [1, 2, 3, 4, 5, 6, 7].map((attempt) => backoffDelayMs({ attempt, ...CURVE }));
  assertEquals(delays, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

Deno.test("backoffDelayMs() gives the cap, never NaN, at every attempt up to 10,000", () => {
  for (let attempt = 6; attempt <= 10_000; attempt++) assertEquals(backoffDelayMs({ attempt, ...CURVE }), 30_000);
  assertEquals(backoffDelayMs({ attempt: 10_000, baseDelayMs: 0, factor: 2, maxDelayMs: 10 }), 0);
});

Deno.test("backoffDelayMs() never shrinks and never leaves its bounds when given any curve", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 10_000 }),
    fc.double({ min: 0, max: 1e6, noNaN: true }),
    fc.double({ min: 1, max: 1e3, noNaN: true }),
    fc.double({ min: 0, max: 1e9, noNaN: true }),
    (attempt, baseDelayMs, factor, maxDelayMs) => {
      const delayMs = backoffDelayMs({ attempt, baseDelayMs, factor, maxDelayMs });
      const nextMs = backoffDelayMs({ attempt: attempt + 1, baseDelayMs, factor, maxDelayMs });
      assert(delayMs >= 0 && delayMs <= nextMs && nextMs <= maxDelayMs);
    },
  ));
});

Deno.test("backoffDelayMs() refuses what is no delay, naming the field", () => {
  assertThrows(() => backoffDelayMs({ ...CURVE, attempt: 0 }), RangeError, "attempt");
  assertThrows(() => backoffDelayMs({ ...CURVE, attempt: 1.5 }), RangeError, "attempt: it must be an integer");
  assertThrows(() => backoffDelayMs({ ...CURVE, attempt: 1, factor: 0.9 }), RangeError, "factor");
  assertThrows(() => backoffDelayMs({ ...CURVE, attempt: 1, baseDelayMs: -1 }), RangeError, "baseDelayMs");
  assertThrows(() => backoffDelayMs({ ...CURVE, attempt: 1, factor: NaN }), RangeError, "factor");
  assertThrows(() => backoffDelayMs({ ...CURVE, attempt: 1, maxDelayMs: Infinity }), RangeError, "maxDelayMs");
});

Deno.test("fullJitter() spreads from zero to the delay, equalJitter() from its half", () => {
  assertEquals([0, 0.5, 1].map((x) => fullJitter(100, () => x)), [0, 50, 100]);
  assertEquals([0, 0.5, 1].map((x) => equalJitter(100, () => x)), [50, 75, 100]);
});

Deno.test("backoffDelays() stays within zero and the cap for every jitter, up to attempt 10,000", () => {
  for (const jitter of JITTERS) {
    for (const random of [() => 0, () => 1 - Number.EPSILON, randomFractions(7)]) {
      const next = backoffDelays(CURVE, jitter, random);
      for (let attempt = 1; attempt <= 10_000; attempt++) {
        const delayMs = next();
        assert(delayMs >= 0 && delayMs <= CURVE.maxDelayMs, `${jitter} gives ${delayMs} at ${attempt}`);
      }
    }
  }
});

Deno.test("backoffDelays() with decorrelated jitter has the base as the median of its first delay", () => {
  const random = randomFractions(11);
  const first = Array.from({ length: 4001 }, () => backoffDelays(CURVE, "decorrelated", random)());
  const median = first.sort((a, b) => a - b)[2000] ?? NaN;
  assert(Math.abs(median - CURVE.baseDelayMs) < 150, `the median is ${median}`);
});

Deno.test("backoffDelays() with decorrelated jitter leaves no clump: no 20 ms hold 3 % of 40,000 delays", () => {
  const random = randomFractions(13);
  const counts = new Map<number, number>();
  for (let run = 0; run < 10_000; run++) {
    const next = backoffDelays({ ...CURVE, maxDelayMs: 1e6 }, "decorrelated", random);
    for (let retry = 0; retry < 4; retry++) {
      const bucket = Math.floor(next() / 20);
      counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
    }
  }
  assert(Math.max(...counts.values()) < 0.03 * 40_000);
});

Deno.test("backoffDelays() gives the curve, a share of it, or half of it and a share of the other half", () => {
  const next = (jitter: JitterKind) => backoffDelays(CURVE, jitter, () => 0.5);
  const three = (delays: () => number) => [delays(), delays(), delays()];
  assertEquals(three(next("none")), [1000, 2000, 4000]);
  assertEquals(three(next("full")), [500, 1000, 2000]);
  assertEquals(three(next("equal")), [750, 1500, 3000]);
});

Deno.test("backoffDelays() with decorrelated jitter gives the differences of 2^t * tanh(sqrt(4t)), by the median", () => {
  const next = backoffDelays({ ...CURVE, maxDelayMs: 1e6 }, "decorrelated", () => 0.5);
  const delays = [next(), next(), next(), next()].map((delayMs) => Math.round(delayMs * 1000) / 1000);
  assertEquals(delays, [897.405, 1093.004, 2035.748, 4045.979]); // computed apart from this code
  assertEquals(backoffDelays(CURVE, "decorrelated", () => 0)(), 0);
});

Deno.test("backoffDelays() with decorrelated jitter gives zeros for a base of zero, at any attempt", () => {
  const next = backoffDelays({ ...CURVE, baseDelayMs: 0 }, "decorrelated", () => 0.5);
  for (let attempt = 1; attempt <= 2000; attempt++) assertEquals(next(), 0);
});

/** A value that the types forbid. */
function wrong<Value>(value: unknown): Value {
  return value as Value;
}

Deno.test("backoff and jitter refuse what is of the wrong kind, naming it", () => {
  const mistakes: readonly (readonly [names: string, call: () => unknown])[] = [
    ["the options of backoffDelayMs(): they must be an object", () => backoffDelayMs(wrong(undefined))],
    ["the options of backoffDelays(): they must be an object", () => backoffDelays(wrong(null), "full", Math.random)],
    [
      "jitter: it must be one of none, full, equal, decorrelated",
      () => backoffDelays(CURVE, wrong("half"), randomFractions(1)),
    ],
    ["random: it must be a function", () => backoffDelays(CURVE, "none", wrong(undefined))],
    ["random: it must be a function", () => fullJitter(5, wrong(undefined))],
    ["delayMs: it must be a number", () => equalJitter(wrong("5"), Math.random)],
  ];
  for (const [names, call] of mistakes) assertThrows(call, TypeError, `Cannot use ${names}`);
  assertThrows(() => fullJitter(-1, Math.random), RangeError, "Cannot use delayMs");
});

Deno.test("backoffDelays() refuses a curve at once, whatever the jitter", () => {
  for (const jitter of JITTERS) {
    assertThrows(() => backoffDelays({ ...CURVE, maxDelayMs: -1 }, jitter, Math.random), RangeError, "maxDelayMs");
  }
});
