/** What a circuit breaker tells those who watch it. @module */

import { requireFunction, requireOneOf } from "../check.ts";
import { tellSafely } from "../errors.ts";
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

/** Listeners by type of event. A listener that throws harms neither the others nor the breaker. */
export class BreakerEvents {
  readonly #listeners: { readonly [Type in keyof BreakerEventMap]: Set<(event: BreakerEventMap[Type]) => void> } = {
    transition: new Set(),
    success: new Set(),
    failure: new Set(),
    rejected: new Set(),
    store_failed: new Set(),
    store_recovered: new Set(),
  };

  /** Whether anybody listens at all: where nobody does, events are not even made. */
  watched = false;

  /** Adds a listener, and returns the function that takes it away. */
  on<Type extends keyof BreakerEventMap>(type: Type, listener: (event: BreakerEventMap[Type]) => void): () => void {
    requireOneOf("type", type, Object.keys(this.#listeners));
    requireFunction("listener", listener);
    const listeners = this.#listeners[type];
    const own = (event: BreakerEventMap[Type]) => listener(event); // the same function may listen twice
    listeners.add(own);
    this.watched = true;
    return () => {
      listeners.delete(own);
      this.watched = Object.values(this.#listeners).some(({ size }) => size > 0);
    };
  }

  /** Tells an event to those who listen to its type. */
  emit<Type extends keyof BreakerEventMap>(type: Type, event: BreakerEventMap[Type]): void {
    for (const listener of this.#listeners[type]) tellSafely(() => listener(event));
  }
}
