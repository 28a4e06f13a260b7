/** A fleet of processes that share a circuit breaker, each with its own clock and its own way to the store. @module */

import type { CircuitBreakerOptions } from "../resilience/breaker_options.ts";
import type { CallOutcome } from "../resilience/breaker_types.ts";
import { CircuitBreaker } from "../resilience/circuit_breaker.ts";
import type { BreakerTransition } from "../resilience/breaker_events.ts";
import { deferred } from "../storage/es2024.ts";
import type { CaseContext } from "./case.ts";
import { ManualClock } from "./manual_clock.ts";
import { WatchedBackend } from "./watched_backend.ts";

/** How long a breaker of the fleet stays open. */
export const OPEN_MS = 60_000;
/** How long a probe of the fleet may take. */
export const LEASE_MS = 30_000;

// The clocks of two hosts are never so far apart; durations are counted right all the same.
const CLOCKS_APART_MS = 600_000;

/** One process of the fleet. */
export interface Member {
  readonly breaker: CircuitBreaker;
  readonly clock: ManualClock;
  readonly store: WatchedBackend;
  /** The transitions that it has told. */
  readonly told: BreakerTransition[];
}

/** The fleet and what it can be made to do. */
export interface Fleet {
  readonly members: readonly Member[];
  /** Lets time pass on all clocks. */
  advance(ms: number): Promise<void>;
  /** Waits until all members are in a state. */
  untilAll(state: ReturnType<CircuitBreaker["getState"]>): Promise<void>;
}

/**
 * Runs a case with so many processes, and lets them go afterwards. Where the backend can, every other one is a peer.
 */
export async function withFleet(
  context: CaseContext,
  size: number,
  options: CircuitBreakerOptions,
  run: (fleet: Fleet, first: Member, second: Member) => Promise<void>,
): Promise<void> {
  const { backend, peer, until } = context;
  const other = backend.traits.shared && size > 1 ? await peer() : backend;
  const members = Array.from({ length: Math.max(size, 2) }, (_, index) => {
    const clock = new ManualClock(Date.UTC(2030, 0, 1) + CLOCKS_APART_MS * ((index % 3) - 1));
    const store = new WatchedBackend(index % 2 === 0 ? backend : other);
    const breaker = new CircuitBreaker({
      name: "service",
      openMs: OPEN_MS,
      probeLeaseMs: LEASE_MS,
      clock,
      ...options,
      backend: store,
    });
    const told: BreakerTransition[] = [];
    return { breaker, clock, store, told };
  }).slice(0, size);
  for (const { breaker, told } of members) breaker.on("transition", (transition) => told.push(transition));
  const [first, second = first] = members;
  if (!first || !second) throw new RangeError("Cannot make the fleet: it must have a member");
  const fleet: Fleet = {
    members,
    advance: async (ms) => {
      for (const { clock } of members) await clock.advance(ms);
    },
    untilAll: (state) =>
      until(`all members are ${state}`, () => members.every(({ breaker }) => breaker.getState() === state)),
  };
  try {
    await run(fleet, first, second);
  } finally {
    for (const { breaker, store } of members) {
      store.fault = "none";
      await breaker.close();
    }
  }
}

/** Gives a further breaker to `run`, and lets it go afterwards. */
export async function withBreaker(
  options: CircuitBreakerOptions,
  run: (breaker: CircuitBreaker) => Promise<void>,
): Promise<void> {
  const breaker = new CircuitBreaker(options);
  try {
    await run(breaker);
  } finally {
    await breaker.close();
  }
}

/** A call that fails. */
export function fail(breaker: CircuitBreaker): Promise<CallOutcome<never>> {
  return breaker.tryCall(() => Promise.reject(new Error("the service is down")));
}

/** A call that succeeds. */
export function succeed(breaker: CircuitBreaker): Promise<CallOutcome<string>> {
  return breaker.tryCall(() => "well");
}

/** A call that ends when the test says so. */
export interface HeldCall {
  /** Resolves to whether the call was let through. */
  readonly begun: Promise<boolean>;
  readonly ended: Promise<CallOutcome<string>>;
  succeed(): void;
  fail(): void;
}

/** Begins a call that goes on until it is told to end. */
export function hold(breaker: CircuitBreaker, signal?: AbortSignal): HeldCall {
  const work = deferred<string>();
  const begun = deferred<boolean>();
  const ended = breaker.tryCall(() => {
    begun.resolve(true);
    return work.promise;
  }, { signal });
  void ended.then(() => begun.resolve(false));
  return {
    begun: begun.promise,
    ended,
    succeed: () => work.resolve("well"),
    fail: () => work.reject(new Error("the service is down")),
  };
}
