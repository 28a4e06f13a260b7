/** What one process believes about a circuit breaker, and the telling of its transitions. @module */

import { type BreakerState, type BreakerStateName, INITIAL_STATE } from "./breaker_state.ts";
import type { BreakerTransition } from "./breaker_events.ts";

/** Holds the state that calls go by. A transition is told once it is known whose it is. */
export class BreakerView {
  /** The state that calls go by. */
  state: BreakerState = INITIAL_STATE;
  readonly #entered: () => void;
  readonly #told: (transition: BreakerTransition) => void;
  #toldKind: BreakerStateName = INITIAL_STATE.kind;
  #toldFrom: BreakerStateName = INITIAL_STATE.kind;
  #toldAlone = false;
  #toldGeneration = INITIAL_STATE.generation;

  /** Makes a closed view; `entered` is called at each transition, `told` when it is known whose it was. */
  constructor(entered: () => void, told: (transition: BreakerTransition) => void) {
    this.#entered = entered;
    this.#told = told;
  }

  /** Goes by another state from now on. */
  enter(state: BreakerState): void {
    const { generation, kind } = this.state;
    this.state = state;
    if (state.generation !== generation || state.kind !== kind) this.#entered();
  }

  /** Tells of the transition to the present state, unless that was done; once more when it is no longer alone. */
  tell(origin: BreakerTransition["origin"]): void {
    const { kind, generation } = this.state;
    const from = this.#toldKind;
    const isTold = generation === this.#toldGeneration && kind === from;
    if (isTold && !(this.#toldAlone && origin === "here")) return;
    this.#toldKind = kind;
    this.#toldGeneration = generation;
    this.#toldAlone = origin === "alone";
    const reason = this.state.kind === "isolated" ? { reason: this.state.reason } : {};
    this.#told({ from: isTold ? this.#toldFrom : from, to: kind, generation, origin, ...reason });
    if (!isTold) this.#toldFrom = from;
  }
}
