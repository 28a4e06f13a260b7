/** The error of a call that a circuit breaker did not let through. @module */

import { CoordinationError } from "../errors.ts";
import type { BreakerStateName } from "./breaker_state.ts";

/** The breaker did not let a call through. The function was not called. */
export class CircuitBreakerOpenError extends CoordinationError {
  /** The breaker's name. */
  readonly breaker: string;
  /** The state that it was in. */
  readonly state: BreakerStateName;
  /**
   * How long until a call may go through, in milliseconds: until the open time is over, or, where all places are taken by
   * probes, until the first of their leases ends, if none of them ends before; infinite while it is isolated.
   */
  readonly retryAfterMs: number;

  /** Makes the error for one call. */
  constructor(breaker: string, state: BreakerStateName, retryAfterMs: number) {
    super("CIRCUIT_OPEN", `Cannot call through the breaker ${JSON.stringify(breaker)}: it is ${WORDS[state]}`);
    this.breaker = breaker;
    this.state = state;
    this.retryAfterMs = retryAfterMs;
  }
}

const WORDS: Record<BreakerStateName, string> = {
  closed: "closed",
  open: "open",
  half_open: "half open, and all its probes are under way",
  isolated: "isolated",
};
