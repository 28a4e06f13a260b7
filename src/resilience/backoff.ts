/** Delays before the next try: exponential up to a cap, and the jitters that spread it. Arithmetic only. @module */

import { DURATION, requireFunction, requireNumber, requireOneOf, requireOptionsObject } from "../check.ts";

/** How delays grow. */
export interface BackoffCurve {
  /** The delay before the first retry, in milliseconds. */
  readonly baseDelayMs: number;
  /** By how much each delay is longer than the one before it; at least 1. */
  readonly factor: number;
  /** The longest delay, in milliseconds. */
  readonly maxDelayMs: number;
}

/** One delay of a {@linkcode BackoffCurve}. */
export interface BackoffStep extends BackoffCurve {
  /** Which retry the delay comes before: 1 for the first. */
  readonly attempt: number;
}

/** A source of numbers from 0 (included) to 1 (excluded), like `Math.random`. */
export type RandomSource = () => number;

/** How a delay is spread, so that those who failed together do not come back together. */
export type JitterKind = "none" | "full" | "equal" | "decorrelated";

/** All of them. */
export const JITTERS: readonly JitterKind[] = ["none", "full", "equal", "decorrelated"];

/**
 * The delay before retry `attempt`: `baseDelayMs * factor ** (attempt - 1)`, at most `maxDelayMs`, however large the
 * attempt is.
 *
 * @example
 * ```ts
 * import { backoffDelayMs } from "@tta/agent-coordination";
 *
 * const curve = { baseDelayMs: 1000, factor: 2, maxDelayMs: 30_000 };
 * console.log([1, 2, 3, 4, 5, 6].map((attempt) => backoffDelayMs({ attempt, ...curve })));
 * // [1000, 2000, 4000, 8000, 16000, 30000]
 * ```
 *
 * @throws {TypeError | RangeError} Naming the field that is not a number within its bounds.
 */
export function backoffDelayMs(step: BackoffStep): number {
  requireOptionsObject("backoffDelayMs()", step);
  const { attempt, baseDelayMs, factor, maxDelayMs } = step;
  requireNumber("attempt", attempt, { min: 1, max: Number.MAX_SAFE_INTEGER, integer: true });
  requireCurve({ baseDelayMs, factor, maxDelayMs });
  // 0 * Infinity would be NaN.
  return baseDelayMs === 0 ? 0 : Math.min(baseDelayMs * factor ** (attempt - 1), maxDelayMs);
}

/**
 * Checks a curve, for those who take one as options.
 *
 * @throws {TypeError | RangeError} Naming the field that is not a number within its bounds.
 */
export function requireCurve({ baseDelayMs, factor, maxDelayMs }: BackoffCurve, factorField = "factor"): void {
  requireNumber("baseDelayMs", baseDelayMs, DURATION);
  requireNumber(factorField, factor, { min: 1, max: Number.MAX_VALUE });
  requireNumber("maxDelayMs", maxDelayMs, DURATION);
}

/**
 * Anything from zero to the delay: the best at spreading a crowd.
 *
 * @throws {TypeError | RangeError} Naming what is not as it must be.
 */
export function fullJitter(delayMs: number, random: RandomSource): number {
  requireJitter(delayMs, random);
  return delayMs * random();
}

/**
 * Anything from half the delay to the delay: never a retry at once.
 *
 * @throws {TypeError | RangeError} Naming what is not as it must be.
 */
export function equalJitter(delayMs: number, random: RandomSource): number {
  requireJitter(delayMs, random);
  return delayMs / 2 + delayMs / 2 * random();
}

function requireJitter(delayMs: number, random: RandomSource): void {
  requireNumber("delayMs", delayMs, DURATION);
  requireFunction("random", random);
}

/**
 * A sequence of delays with decorrelated jitter, version 2: the differences of the smooth curve
 * `2 ** t * tanh(sqrt(4 * t))`, read at `t = attempt - 1 + random`, so that delays spread evenly over time instead of
 * crowding at the multiples of the base. The median of the first delay is about `baseDelayMs`.
 *
 * Source of the formula: https://github.com/Polly-Contrib/Polly.Contrib.WaitAndRetry, "DecorrelatedJitterV2"; the 2 is
 * `factor` here.
 */
export function decorrelatedDelays(curve: BackoffCurve, random: RandomSource): () => number {
  requireCurve(curve);
  const { baseDelayMs, factor, maxDelayMs } = curve;
  let retries = 0;
  let previous = 0;
  return () => {
    const t = retries++ + random();
    const next = factor ** t * Math.tanh(Math.sqrt(CURVATURE * t));
    // Past the range of numbers the difference is Infinity - Infinity; the cap was reached long before.
    const delayMs = next === Infinity ? maxDelayMs : (next - previous) * MEDIAN_SCALE * baseDelayMs;
    previous = next;
    return baseDelayMs === 0 ? 0 : Math.min(Math.max(delayMs, 0), maxDelayMs);
  };
}

const CURVATURE = 4;
const MEDIAN_SCALE = 1 / 1.4; // the curve is about 1.4 at t = 0.5

/**
 * A sequence of delays: each call gives the next one.
 *
 * @throws {TypeError | RangeError} Naming what is not as it must be.
 */
export function backoffDelays(curve: BackoffCurve, jitter: JitterKind, random: RandomSource): () => number {
  requireOptionsObject("backoffDelays()", curve);
  requireOneOf("jitter", jitter, JITTERS);
  requireFunction("random", random);
  if (jitter === "decorrelated") return decorrelatedDelays(curve, random);
  requireCurve(curve);
  let attempt = 0;
  return () => {
    attempt++;
    const delayMs = backoffDelayMs({ attempt, ...curve });
    switch (jitter) {
      case "none":
        return delayMs;
      case "full":
        return fullJitter(delayMs, random);
      case "equal":
        return equalJitter(delayMs, random);
    }
  };
}
