/** What a circuit breaker tells those who watch it. @module */

import { Emitter } from "../emitter.ts";
import type { BreakerStateName } from "./breaker_state.ts";

/** The breaker has come into another state. Each process tells each generation once. */
export interface BreakerTransition {
  /** The state before. */
  readonly from: BreakerStateName;
  /** The state now. */
  readonly to: BreakerStateName;
  /** Counts the transitions of the breaker, over all processes that share it. */
  readonly generation: number;
  /**
   * `here`: this process made the transition, and no other one says so of this generation. `elsewhere`: it has learned
   * of it. `alone`: it made the transition while the store could not be reached; when that comes to the store after
   * all, it tells so again, as `here`.
   */
  readonly origin: "here" | "elsewhere" | "alone";
  /** Why, where somebody gave a reason. */
  readonly reason?: string;
}

/** What can be listened to, and what a listener is given. */
export interface BreakerEventMap {
  /** The breaker has come into another state. */
  readonly transition: BreakerTransition;
  /** A call has succeeded. */
  readonly success: { readonly probe: boolean };
  /** A call has failed. */
  readonly failure: { readonly probe: boolean; readonly error: unknown };
  /** A call was not let through. */
  readonly rejected: { readonly state: BreakerStateName; readonly retryAfterMs: number };
  /** The store cannot be reached: the breaker goes on by itself. Told once an outage. */
  readonly store_failed: { readonly error: unknown };
  /** The store can be reached again. */
  readonly store_recovered: Record<never, never>;
}

/** Tells those events, while nobody listens yet. */
export function breakerEvents(): Emitter<BreakerEventMap> {
  return new Emitter({
    transition: new Set(),
    success: new Set(),
    failure: new Set(),
    rejected: new Set(),
    store_failed: new Set(),
    store_recovered: new Set(),
  });
}
