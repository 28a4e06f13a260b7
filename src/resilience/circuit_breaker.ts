/** A circuit breaker that a whole fleet shares, and that waits for no I/O while it is closed or open. @module */

import { requireFunction, requireOptions, requireString } from "../check.ts";
import { monotonicMs } from "../clock.ts";
import { CircuitBreakerOpenError } from "./breaker_error.ts";
import { type BreakerEventMap, breakerEvents } from "./breaker_events.ts";
import { type Admission, BreakerGate } from "./breaker_gate.ts";
import { type BreakerConfig, breakerConfig, type CircuitBreakerOptions } from "./breaker_options.ts";
import type { BreakerState, BreakerStateName } from "./breaker_state.ts";
import { BreakerTally } from "./breaker_tally.ts";
import {
  CALL_OPTIONS,
  type CallContext,
  type Callee,
  type CallOptions,
  type CallOutcome,
  type CircuitBreakerMetrics,
  type Rejection,
} from "./breaker_types.ts";
import { runBounded } from "./time_limit.ts";
import { ConsecutiveFailures, FailuresInWindow, type TripRule } from "./trip_rule.ts";

const NO_OPTIONS: CallOptions = {};
const NO_SIGNAL: CallContext = Object.freeze({ signal: undefined });

/**
 * Calls a service while it is well, and spares it while it is not. Closed, it counts failures; when they are too many,
 * it opens, here at once and for the whole fleet before the call that has opened it ends, unless the store takes longer
 * than `storeTimeoutMs`. Open, it rejects calls without making them. After the open time a few calls of the fleet are
 * let through as probes: when enough of them succeed, the breaker closes; when one fails, or is not heard of within its
 * lease, it opens again.
 *
 * While the store cannot be reached, the breaker goes by what it knows and by its own calls.
 *
 * @example
 * ```ts
 * import { CircuitBreaker } from "@tta/agent-coordination";
 *
 * await using breaker = new CircuitBreaker({ name: "payments", failureThreshold: 1 });
 * const pay = () => Promise.reject(new Error("out of order"));
 * await breaker.call(pay).catch((error) => console.log(error.message)); // out of order
 * await breaker.call(pay).catch((error) => console.log(error.code)); // CIRCUIT_OPEN
 * ```
 */
export class CircuitBreaker implements AsyncDisposable {
  /** Names the breaker: all processes that use one name on one backend share it. */
  readonly name: string;
  readonly #config: BreakerConfig;
  readonly #events = breakerEvents();
  readonly #gate: BreakerGate;
  readonly #tally: BreakerTally;
  readonly #rule: TripRule;
  /** Whether a call has neither time limit nor rule that asks for more than a look at the state. */
  readonly #isPlain: boolean;

  /**
   * Makes a breaker, without a look at the store.
   *
   * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
   */
  constructor(options: CircuitBreakerOptions = {}) {
    const config = breakerConfig(options);
    const { failureRate, failureThreshold, clock } = config;
    this.name = config.name;
    this.#config = config;
    this.#isPlain = config.callTimeoutMs === undefined && !config.strict;
    this.#rule = failureRate ? new FailuresInWindow(failureRate, clock) : new ConsecutiveFailures(failureThreshold);
    this.#tally = new BreakerTally(this.name, this.#events, clock);
    this.#gate = new BreakerGate(config, this.#events, () => {
      this.#rule.reset();
      this.#tally.stateChanged();
    });
  }

  /**
   * Calls a function through the breaker.
   *
   * @throws {CircuitBreakerOpenError} When the call is not let through.
   * @throws What the function throws; the reason of `signal`, when it is aborted; a `DOMException` named
   * `TimeoutError`, when the call takes too long.
   */
  async call<Result>(fn: Callee<Result>, options: CallOptions = NO_OPTIONS): Promise<Result> {
    requireFunction("fn", fn); // a caller's mistake is no failure of the other side
    if (options !== NO_OPTIONS) requireOptions("call()", options, CALL_OPTIONS);
    const state = this.#plainState(options);
    if (state === null) return this.#unwrap(await this.#run(fn, options));
    let value: Result;
    try {
      value = await fn(NO_SIGNAL);
    } catch (error) {
      const counting = this.#fail(error, state);
      if (counting) await counting;
      throw error;
    }
    this.#succeed(state);
    return value;
  }

  /**
   * Calls a function with its arguments through the breaker.
   *
   * @throws As {@linkcode CircuitBreaker.call}.
   */
  async execute<Args extends readonly unknown[], Result>(
    fn: (...args: Args) => Result | PromiseLike<Result>,
    ...args: Args
  ): Promise<Result> {
    requireFunction("fn", fn);
    return await this.call(() => fn(...args));
  }

  /** Calls a function through the breaker and tells how that ended. Rejects for nothing but a caller's mistake. */
  tryCall<Result>(fn: Callee<Result>, options: CallOptions = NO_OPTIONS): Promise<CallOutcome<Result>> {
    const { isStarted, view } = this.#gate;
    if (options === NO_OPTIONS && this.#isPlain && isStarted && view.state.kind !== "closed") {
      const rejection = this.#gate.rejection();
      if (rejection) return Promise.resolve(this.#reject(rejection));
    }
    return this.#tryCall(fn, options);
  }

  /**
   * Reads the shared state, so that `getState` and `isCallPermitted` know it before the first call, which reads it too.
   * Resolves after `storeTimeoutMs` at the latest, also where the store cannot be reached.
   */
  async initialize(): Promise<void> {
    if (!this.#gate.isStarted) await this.#gate.start();
  }

  /** Whether a call would be let through, as far as this process knows. Takes no probe's place. */
  isCallPermitted(): boolean {
    this.#gate.touch();
    return this.#gate.rejection() === null;
  }

  /** The state, as far as this process knows. That an open time is over shows at the next call. */
  getState(): BreakerStateName {
    this.#gate.touch();
    return this.#gate.view.state.kind;
  }

  /** What was counted in this process. */
  getMetrics(): CircuitBreakerMetrics {
    const { kind, generation } = this.#gate.view.state;
    return { name: this.name, state: kind, generation, failures: this.#rule.failures, ...this.#tally.snapshot() };
  }

  /**
   * Closes the breaker, whatever its state, for the whole fleet.
   *
   * @throws The store's error, when the breaker is strict and the store cannot be reached.
   */
  async reset(): Promise<void> {
    this.#rule.reset();
    await this.#gate.apply({ type: "reset", by: this.#gate.newName() });
  }

  /**
   * Rejects all calls of the whole fleet until {@linkcode CircuitBreaker.reset}.
   *
   * @throws {TypeError} When the reason is no string.
   * @throws The store's error, when the breaker is strict and the store cannot be reached.
   */
  async isolate(reason: string): Promise<void> {
    requireString("reason", reason, 0, Number.MAX_SAFE_INTEGER);
    await this.#gate.apply({ type: "isolate", reason, by: this.#gate.newName() });
  }

  /**
   * Calls `listener` at each event of a type. Returns the function that ends that.
   *
   * @throws {TypeError} When a breaker has no such event, or the listener is no function.
   */
  on<Type extends keyof BreakerEventMap>(type: Type, listener: (event: BreakerEventMap[Type]) => void): () => void {
    const off = this.#events.on(type, listener);
    this.#gate.touch();
    return off;
  }

  /** Lets go of the store, after sharing what is to be shared. From then on the breaker is this process's own. */
  close(): Promise<void> {
    return this.#gate.close();
  }

  /** As {@linkcode CircuitBreaker.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The state that a call belongs to which can go straight through. */
  #plainState(options: CallOptions): BreakerState | null {
    const gate = this.#gate;
    const { state } = gate.view;
    if (state.kind !== "closed" || !this.#isPlain || !gate.isStarted || options.signal) return null;
    gate.poll();
    return state;
  }

  async #tryCall<Result>(fn: Callee<Result>, options: CallOptions): Promise<CallOutcome<Result>> {
    requireFunction("fn", fn);
    if (options !== NO_OPTIONS) requireOptions("tryCall()", options, CALL_OPTIONS);
    const state = this.#plainState(options);
    if (state === null) return await this.#run(fn, options);
    let value: Result;
    try {
      value = await fn(NO_SIGNAL);
    } catch (error) {
      await this.#fail(error, state);
      return { status: "failure", error };
    }
    this.#succeed(state);
    return { status: "success", value };
  }

  /** The whole way of a call: through the store where it must, under a time limit and a signal where there are. */
  async #run<Result>(fn: Callee<Result>, options: CallOptions): Promise<CallOutcome<Result>> {
    const { signal } = options;
    if (signal?.aborted) return this.#abort(signal.reason);
    const admission = this.#gate.admitNow() ?? await this.#admit(signal);
    if (admission.status === "aborted") return this.#abort(admission.reason);
    if (admission.status === "rejected") return this.#reject(admission);
    const { probe, state } = admission;
    const { clock, callTimeoutMs: limitMs } = this.#config;
    // A probe that hangs counts as failed when its lease ends, though its caller may go on waiting for it.
    const endLease = probe === null ? null : clock.setTimer(
      () => void this.#gate.endProbe("probe_failed", admission),
      admission.leaseEndsAtMs - monotonicMs(clock),
    );
    try {
      const value = limitMs === undefined && signal === undefined
        ? await fn(NO_SIGNAL)
        : await runBounded(fn, { clock, limitMs, signal, what: "the call" });
      if (probe === null) this.#succeed(state);
      else await this.#succeedProbe(admission);
      return { status: "success", value };
    } catch (error) {
      if (signal?.aborted) {
        await this.#gate.endProbe("probe_dropped", admission);
        return this.#abort(signal.reason);
      }
      if (probe === null) await this.#fail(error, state);
      else await this.#failProbe(error, admission);
      return { status: "failure", error };
    } finally {
      endLease?.();
    }
  }

  /** Waits for the store, but not longer than the caller: a place that comes too late is given back. */
  async #admit(
    signal: AbortSignal | undefined,
  ): Promise<Admission | Rejection | { readonly status: "aborted"; readonly reason: unknown }> {
    const admitting = this.#gate.admit();
    if (!signal) return await admitting;
    try {
      return await runBounded(() => admitting, { clock: this.#config.clock, signal, what: "the admission" });
    } catch (reason) {
      void admitting.then((late) => {
        if (late.status === "admitted") void this.#gate.endProbe("probe_dropped", late);
      });
      return { status: "aborted", reason };
    }
  }

  /** Counts an outcome where it belongs: in a state that has gone, it says nothing about the present one. */
  #succeed(state: BreakerState): void {
    if (state === this.#gate.view.state) this.#rule.success();
    this.#tally.success(false);
  }

  /** A promise only where there is something to wait for: the judgement, or the store that is told of an opening. */
  #fail(error: unknown, state: BreakerState): void | Promise<void> {
    const isFailure = this.#isFailure(error);
    if (isFailure instanceof Promise) return isFailure.then((isFailure) => this.#countError(error, state, isFailure));
    return this.#countError(error, state, isFailure);
  }

  #countError(error: unknown, state: BreakerState, isFailure: boolean): void | Promise<void> {
    if (!isFailure) return this.#succeed(state);
    const trips = state === this.#gate.view.state && this.#rule.failure();
    this.#tally.failure(false, error);
    if (trips && state === this.#gate.view.state) return this.#gate.trip(); // who was told may have changed it
  }

  async #succeedProbe(admission: Admission): Promise<void> {
    this.#tally.success(true);
    await this.#gate.endProbe("probe_succeeded", admission);
  }

  async #failProbe(error: unknown, admission: Admission): Promise<void> {
    if (!await this.#isFailure(error)) return await this.#succeedProbe(admission);
    this.#tally.failure(true, error);
    await this.#gate.endProbe("probe_failed", admission);
  }

  /** An error that cannot even be judged is a failure. */
  #isFailure(error: unknown): boolean | Promise<boolean> {
    try {
      const isFailure = this.#config.isFailure(error);
      return typeof isFailure === "boolean" ? isFailure : Promise.resolve(isFailure).catch(() => true);
    } catch {
      return true;
    }
  }

  #reject(rejection: Rejection): Rejection {
    this.#tally.rejected(rejection);
    return rejection;
  }

  #abort(reason: unknown): CallOutcome<never> {
    this.#tally.aborted();
    return { status: "aborted", reason };
  }

  #unwrap<Result>(outcome: CallOutcome<Result>): Result {
    switch (outcome.status) {
      case "success":
        return outcome.value;
      case "failure":
        throw outcome.error;
      case "aborted":
        throw outcome.reason;
      case "rejected":
        throw outcome.cause ?? new CircuitBreakerOpenError(this.name, outcome.state, outcome.retryAfterMs);
    }
  }
}
