/** What goes into a circuit breaker's calls, and what comes out. @module */

import { type OptionNames, requireSignal } from "../check.ts";
import type { BreakerStateName } from "./breaker_state.ts";

/** What a call through a breaker is given. */
export interface CallContext {
  /** Aborted when the call's time is over or its caller has aborted it; `undefined` where neither can be. */
  readonly signal: AbortSignal | undefined;
}

/** How to make one call. */
export interface CallOptions {
  /** Ends the call, which then counts neither as a success nor as a failure. */
  readonly signal?: AbortSignal | undefined;
}

/** All options of a call. */
export const CALL_OPTIONS: OptionNames<CallOptions> = { signal: requireSignal };

/** A function that is called through a breaker. */
export type Callee<Result> = (context: CallContext) => Result | PromiseLike<Result>;

/** How a call ended. */
export type CallOutcome<Result> =
  | { readonly status: "success"; readonly value: Result }
  | { readonly status: "failure"; readonly error: unknown }
  | { readonly status: "aborted"; readonly reason: unknown }
  | Rejection;

/** The function was not called. */
export interface Rejection {
  /** Tells it from the other outcomes. */
  readonly status: "rejected";
  /** The state that the breaker was in. */
  readonly state: BreakerStateName;
  /**
   * How long until a call may go through, in milliseconds: until the open time is over, or, where all places are taken by
   * probes, until the first of their leases ends, if none of them ends before; infinite while it is isolated.
   */
  readonly retryAfterMs: number;
  /** Why the store could not be asked, where the breaker is strict. */
  readonly cause?: unknown;
}

/** What a breaker has counted in this process. */
export interface CircuitBreakerMetrics {
  /** The name of the breaker. */
  readonly name: string;
  /** The state that this process knows of. */
  readonly state: BreakerStateName;
  /** Counts the transitions, over all processes that share the breaker. */
  readonly generation: number;
  /** Failures that count towards opening: in a row, or in the window. */
  readonly failures: number;
  /** All calls, the rejected ones too. */
  readonly totalCalls: number;
  /** Calls that succeeded. */
  readonly successfulCalls: number;
  /** Calls that failed. */
  readonly failedCalls: number;
  /** Calls that were not let through. */
  readonly rejectedCalls: number;
  /** Calls that their caller gave up, counted neither way. */
  readonly abortedCalls: number;
  /** How many transitions this process has seen. */
  readonly stateChanges: number;
  /** When the state last changed, in milliseconds since 1970; `null` when it never did. */
  readonly stateChangedAtMs: number | null;
  /** When a call last failed, in milliseconds since 1970; `null` when none did. */
  readonly lastFailureAtMs: number | null;
}
