/** Counts what happens to a circuit breaker's calls in this process, and tells those who watch. @module */

import type { Clock } from "../clock.ts";
import type { Emitter } from "../emitter.ts";
import { recordBreakerFailure, recordBreakerRejection } from "../observability/primitive_telemetry.ts";
import type { BreakerEventMap } from "./breaker_events.ts";
import type { CircuitBreakerMetrics, Rejection } from "./breaker_types.ts";

/** The counters of one breaker. */
export class BreakerTally {
  readonly #name: string;
  readonly #events: Emitter<BreakerEventMap>;
  readonly #clock: Clock;
  #successes = 0;
  #failures = 0;
  #rejections = 0;
  #aborts = 0;
  #stateChanges = 0;
  #stateChangedAtMs: number | null = null;
  #lastFailureAtMs: number | null = null;

  /** Makes counters at zero, for the breaker of this name. */
  constructor(name: string, events: Emitter<BreakerEventMap>, clock: Clock) {
    this.#name = name;
    this.#events = events;
    this.#clock = clock;
  }

  /** A call has succeeded. */
  success(probe: boolean): void {
    this.#successes++;
    if (this.#events.watched) this.#events.emit("success", { probe });
  }

  /** A call has failed. */
  failure(probe: boolean, error: unknown): void {
    this.#failures++;
    this.#lastFailureAtMs = this.#clock.now();
    recordBreakerFailure(this.#name, error);
    if (this.#events.watched) this.#events.emit("failure", { probe, error });
  }

  /** A call was not let through. */
  rejected({ state, retryAfterMs }: Rejection): void {
    this.#rejections++;
    recordBreakerRejection(this.#name, state);
    if (this.#events.watched) this.#events.emit("rejected", { state, retryAfterMs });
  }

  /** A call was ended by its caller. */
  aborted(): void {
    this.#aborts++;
  }

  /** The breaker has come into another state. */
  stateChanged(): void {
    this.#stateChanges++;
    this.#stateChangedAtMs = this.#clock.now();
  }

  /** What was counted. */
  snapshot(): Omit<CircuitBreakerMetrics, "name" | "state" | "generation" | "failures"> {
    return {
      totalCalls: this.#successes + this.#failures + this.#rejections + this.#aborts,
      successfulCalls: this.#successes,
      failedCalls: this.#failures,
      rejectedCalls: this.#rejections,
      abortedCalls: this.#aborts,
      stateChanges: this.#stateChanges,
      stateChangedAtMs: this.#stateChangedAtMs,
      lastFailureAtMs: this.#lastFailureAtMs,
    };
  }
}
