/** When failures are too many: the rules by which one process decides to open the breaker. O(1) a call. @module */

import type { Clock } from "../clock.ts";

/** Counts the calls of a closed breaker. */
export interface TripRule {
  /** How many failures count now: in a row, or in the window. */
  readonly failures: number;
  /** A call has succeeded. */
  success(): void;
  /** A call has failed; tells whether that was one too many. */
  failure(): boolean;
  /** Forgets everything. */
  reset(): void;
}

/** So many failures in a row. */
export class ConsecutiveFailures implements TripRule {
  readonly #threshold: number;
  failures = 0;

  /** Makes the rule for `threshold` failures. */
  constructor(threshold: number) {
    this.#threshold = threshold;
  }

  success(): void {
    this.failures = 0;
  }

  failure(): boolean {
    return ++this.failures >= this.#threshold;
  }

  reset(): void {
    this.failures = 0;
  }
}

/** A share of failures in a window of time. */
export interface FailureRate {
  /** The share of failed calls, above 0 and at most 1, from which on the breaker opens. */
  readonly threshold: number;
  /** How far back calls count, in milliseconds. */
  readonly windowMs: number;
  /** So many calls must be in the window before the share means anything. @default {10} */
  readonly minimumCalls?: number;
}

// The window moves in steps of a tenth: a call counts for 0.9 to 1 windows.
const BUCKETS = 10;

/** A share of failures in a sliding window, kept in ten buckets with running sums. */
export class FailuresInWindow implements TripRule {
  readonly #threshold: number;
  readonly #minimumCalls: number;
  readonly #bucketMs: number;
  readonly #clock: Clock;
  readonly #calls = new Float64Array(BUCKETS);
  readonly #failures = new Float64Array(BUCKETS);
  #totalCalls = 0;
  #totalFailures = 0;
  /** The number of the newest bucket, counted since the clock's zero. */
  #newest: number;

  /** Makes the rule with an empty window. */
  constructor({ threshold, windowMs, minimumCalls = 10 }: FailureRate, clock: Clock) {
    this.#threshold = threshold;
    this.#minimumCalls = minimumCalls;
    this.#bucketMs = windowMs / BUCKETS;
    this.#clock = clock;
    this.#newest = this.#bucketNow();
  }

  get failures(): number {
    this.#move();
    return this.#totalFailures;
  }

  success(): void {
    this.#count();
  }

  failure(): boolean {
    const index = this.#count();
    this.#failures[index] = (this.#failures[index] ?? 0) + 1;
    this.#totalFailures++;
    return this.#totalCalls >= this.#minimumCalls && this.#totalFailures >= this.#threshold * this.#totalCalls;
  }

  reset(): void {
    this.#calls.fill(0);
    this.#failures.fill(0);
    this.#totalCalls = 0;
    this.#totalFailures = 0;
  }

  #count(): number {
    this.#move();
    const index = this.#newest % BUCKETS;
    this.#calls[index] = (this.#calls[index] ?? 0) + 1;
    this.#totalCalls++;
    return index;
  }

  /** Empties the buckets that time has passed over, at most all ten. */
  #move(): void {
    const now = this.#bucketNow();
    if (now === this.#newest) return;
    // A clock that was set back, or went on by more than a window, leaves nothing that counts.
    if (now < this.#newest || now - this.#newest >= BUCKETS) {
      this.reset();
      this.#newest = now;
      return;
    }
    while (this.#newest < now) {
      const index = ++this.#newest % BUCKETS;
      this.#totalCalls -= this.#calls[index] ?? 0;
      this.#totalFailures -= this.#failures[index] ?? 0;
      this.#calls[index] = 0;
      this.#failures[index] = 0;
    }
  }

  #bucketNow(): number {
    return Math.floor(this.#clock.now() / this.#bucketMs);
  }
}
