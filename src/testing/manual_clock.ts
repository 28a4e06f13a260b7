/** A clock that stands still until a test moves it. @module */

import { requireFunction, requireNumber } from "../check.ts";
import type { Clock } from "../clock.ts";

const ANY = { min: -Number.MAX_VALUE, max: Number.MAX_VALUE };

interface Timer {
  readonly callback: () => void;
  readonly dueAtMs: number;
}

// A chain of awaited calls that a timer sets off is followed so far before the next timer fires.
const MICROTASKS_BETWEEN_TIMERS = 100;

/**
 * A clock that stands still until `advance` moves it, firing timers in the order in which they are due.
 *
 * @example
 * ```ts
 * import { ManualClock } from "@tta/agent-coordination/testing";
 *
 * const clock = new ManualClock();
 * let fired = false;
 * clock.setTimer(() => fired = true, 1000);
 * await clock.advance(999);
 * console.log(fired); // false
 * await clock.advance(1);
 * console.log(fired); // true
 * ```
 */
export class ManualClock implements Clock {
  #elapsedMs = 0;
  /** What the clock shows when no time has passed. */
  #zeroMs: number;
  // In the order in which they were set, which decides between timers that are due at the same time.
  readonly #timers = new Set<Timer>();

  /**
   * Makes a clock that shows `startMs`, in milliseconds since the Unix epoch.
   *
   * @throws {TypeError | RangeError} When it is no number.
   */
  constructor(startMs: number = Date.UTC(2030, 0, 1)) {
    this.#zeroMs = requireNumber("startMs", startMs, ANY);
  }

  /** How many timers are set: 0 where nothing waits. */
  get timers(): number {
    return this.#timers.size;
  }

  /** The time that it shows. */
  now(): number {
    return this.#zeroMs + this.#elapsedMs;
  }

  /** How far it was moved: durations are measured by this. */
  monotonic(): number {
    return this.#elapsedMs;
  }

  /**
   * Calls `callback` once the clock was moved by `delayMs`, unless the returned function is called before.
   *
   * @throws {TypeError} When there is no function to call.
   */
  setTimer(callback: () => void, delayMs: number): () => void {
    requireFunction("callback", callback);
    const timer = { callback, dueAtMs: this.#elapsedMs + Math.max(delayMs, 0) };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  /**
   * Moves the clock. Each timer fires at its own time, also one that is set on the way, and what waits for it goes on
   * before the next one fires.
   *
   * @throws {RangeError} When `ms` is negative or no number.
   */
  async advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`Cannot advance the clock: ms must be at least 0, got ${ms}`);
    const untilMs = this.#elapsedMs + ms;
    await settle();
    for (let next = this.#next(untilMs); next; next = this.#next(untilMs)) {
      this.#timers.delete(next);
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueAtMs);
      next.callback();
      await settle();
    }
    this.#elapsedMs = Math.max(this.#elapsedMs, untilMs);
  }

  /**
   * Sets the clock forward, or back where `ms` is negative, as a time server does: no time passes, so that timers and
   * what was measured before go on as they were.
   *
   * @throws {TypeError | RangeError} When `ms` is no number.
   */
  jump(ms: number): void {
    this.#zeroMs += requireNumber("ms", ms, ANY);
  }

  /** The first timer that is due by `untilMs`. */
  #next(untilMs: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueAtMs <= untilMs && (first === undefined || timer.dueAtMs < first.dueAtMs)) first = timer;
    }
    return first;
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < MICROTASKS_BETWEEN_TIMERS; turn++) await Promise.resolve();
}
