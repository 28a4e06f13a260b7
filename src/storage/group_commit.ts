/** Group commit: calls made while a round trip is under way travel together in the next one. @module */

import { type OptionCheck, type OptionNames, requireFunction, requireNumber, requireOptions } from "../check.ts";
import { BackendUnavailableError } from "../errors.ts";

/** How calls are put together. */
export interface GroupCommitOptions<Call, Result> {
  /**
   * Makes one round trip, and gives one outcome for each call, in their order: its result, or the error it fails with.
   */
  readonly flush: (calls: readonly Call[]) => Promise<readonly (Result | Error)[]>;
  /** The most calls in one round trip. @default {1000} */
  readonly maxCalls?: number;
  /** The size of a call, for `maxWeight`. @default {() => 1} */
  readonly weigh?: (call: Call) => number;
  /** The most weight in one round trip; a call that is heavier travels alone. @default {Infinity} */
  readonly maxWeight?: number;
  /** How many round trips may be under way at once. @default {1} */
  readonly maxInFlight?: number;
  /**
   * Spreads the calls evenly over the round trips that may be under way, in groups of at least so many: while the
   * engine works on one, the caller works on another. Pays where both have a processor of their
   * own. @default {Infinity}
   */
  readonly spreadFrom?: number;
  /** How many calls may wait; one more fails with `BACKEND_UNAVAILABLE`. @default {100_000} */
  readonly maxWaiting?: number;
}

/** A bound of 0 would let nothing through. */
const requireBound: OptionCheck = (field, value) => void requireNumber(field, value, { min: 1, max: Infinity });

const OPTIONS: OptionNames<GroupCommitOptions<never, never>> = {
  flush: requireFunction,
  maxCalls: requireBound,
  weigh: requireFunction,
  maxWeight: requireBound,
  maxInFlight: requireBound,
  spreadFrom: requireBound,
  maxWaiting: requireBound,
};

interface Waiting<Call, Result> {
  readonly call: Call;
  readonly weight: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Coalesces calls into round trips, with no timer: an idle call goes out at the end of the current microtask, together
 * with the calls made in the same turn, and what arrives while a round trip is under way goes with the next. Each call
 * keeps its own success or failure.
 *
 * @example
 * ```ts
 * import { GroupCommit } from "@tta/agent-coordination/testing";
 *
 * const group = new GroupCommit<number, number>({ flush: (calls) => Promise.resolve(calls.map((n) => n * 2)) });
 * console.log(await Promise.all([group.run(1), group.run(2)])); // [2, 4], in one round trip
 * ```
 */
export class GroupCommit<Call, Result> {
  readonly #flush: (calls: readonly Call[]) => Promise<readonly (Result | Error)[]>;
  readonly #maxCalls: number;
  readonly #weigh: (call: Call) => number;
  readonly #maxWeight: number;
  readonly #maxInFlight: number;
  readonly #spreadFrom: number;
  readonly #maxWaiting: number;
  #waiting: Waiting<Call, Result>[] = [];
  #inFlight = 0;
  #callsInFlight = 0;
  #scheduled = false;
  #idle: (() => void)[] = [];

  /**
   * Makes a group with its own limits.
   *
   * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
   */
  constructor(options: GroupCommitOptions<Call, Result>) {
    requireOptions("GroupCommit", options, OPTIONS);
    const { flush, maxCalls = 1000, weigh = () => 1, maxWeight = Infinity } = options;
    const { maxInFlight = 1, spreadFrom = Infinity, maxWaiting = 100_000 } = options;
    requireFunction("flush", flush); // it cannot be left out
    this.#flush = flush;
    this.#maxCalls = maxCalls;
    this.#weigh = weigh;
    this.#maxWeight = maxWeight;
    this.#maxInFlight = maxInFlight;
    this.#spreadFrom = spreadFrom;
    this.#maxWaiting = maxWaiting;
  }

  /** Makes one call in some round trip. */
  run(call: Call): Promise<Result> {
    if (this.#waiting.length >= this.#maxWaiting) {
      return Promise.reject(
        new BackendUnavailableError(`Cannot wait for the backend: ${this.#maxWaiting} calls are waiting already`),
      );
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ call, weight: this.#weigh(call), resolve, reject });
      this.#schedule();
    });
  }

  /** Resolves once no call is waiting or under way. */
  drain(): Promise<void> {
    if (this.#waiting.length === 0 && this.#inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= this.#maxInFlight) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      while (this.#waiting.length > 0 && this.#inFlight < this.#maxInFlight) void this.#depart(this.#take());
    });
  }

  /** The calls that fit the next round trip, at least one. */
  #take(): Waiting<Call, Result>[] {
    const share = Math.ceil((this.#waiting.length + this.#callsInFlight) / this.#maxInFlight);
    const maxCalls = Math.min(this.#maxCalls, Math.max(share, this.#spreadFrom));
    let weight = 0;
    let count = 0;
    for (const waiting of this.#waiting) {
      if (count > 0 && (count >= maxCalls || weight + waiting.weight > this.#maxWeight)) break;
      weight += waiting.weight;
      count++;
    }
    if (count === this.#waiting.length) {
      const all = this.#waiting;
      this.#waiting = [];
      return all;
    }
    return this.#waiting.splice(0, count);
  }

  async #depart(group: readonly Waiting<Call, Result>[]): Promise<void> {
    this.#inFlight++;
    this.#callsInFlight += group.length;
    try {
      const outcomes = await this.#flush(group.map((waiting) => waiting.call));
      group.forEach((waiting, index) => {
        const outcome = outcomes[index];
        if (outcome === undefined) waiting.reject(new Error("Cannot settle the call: its round trip gave no outcome"));
        else if (outcome instanceof Error) waiting.reject(outcome);
        else waiting.resolve(outcome);
      });
    } catch (error) {
      for (const waiting of group) waiting.reject(error);
    } finally {
      this.#inFlight--;
      this.#callsInFlight -= group.length;
      if (this.#waiting.length > 0) this.#schedule();
      else if (this.#inFlight === 0) { for (const resolve of this.#idle.splice(0)) resolve(); }
    }
  }
}
