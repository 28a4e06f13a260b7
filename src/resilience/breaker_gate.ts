/** Decides which calls a circuit breaker lets through, without the store where it can. @module */

import { monotonicMs } from "../clock.ts";
import type { Emitter } from "../emitter.ts";
import { randomId } from "../ids.ts";
import { recordBreakerTransition } from "../observability/primitive_telemetry.ts";
import type { BreakerEventMap } from "./breaker_events.ts";
import { type BreakerConfig, openTimeMs } from "./breaker_options.ts";
import {
  type BreakerEvent,
  type BreakerState,
  type HalfOpenState,
  leaseEndsInMs,
  mayProbe,
  openEndsInMs,
  openingsOf,
  type ProbeEnd,
  transition,
} from "./breaker_state.ts";
import { BreakerStore } from "./breaker_store.ts";
import type { Rejection } from "./breaker_types.ts";
import { BreakerView } from "./breaker_view.ts";
import { type BoundedRun, runBounded } from "./time_limit.ts";

/** A call that was let through. */
export interface Admission {
  readonly status: "admitted";
  /** The state that the call belongs to: its outcome counts there, or nowhere. */
  readonly state: BreakerState;
  /** Names the call among the probes, where the breaker is half open. */
  readonly probe: string | null;
  /** When a probe that is still under way counts as failed, by this process's monotonic clock. */
  readonly leaseEndsAtMs: number;
}

// An admission goes at most from open to half open, and from there to closed or open.
const MAX_STEPS = 4;

/** The way in and out of a breaker. */
export class BreakerGate {
  /** What this process believes. */
  readonly view: BreakerView;
  /** Whether the record was looked at, or there is none: before that, a call waits for it. */
  isStarted: boolean;
  readonly #config: BreakerConfig;
  /** Begins all names that this process gives, so that it knows its own work again. */
  readonly #author = `${randomId()}.`;
  #names = 0;
  #store: BreakerStore | null;
  #starting: Promise<void> | null = null;
  /** The calls that ask for a place among the probes: no more than there are places go to the store at once. */
  readonly #asking = new Set<string>();

  /** Makes a gate, without a look at the store. `entered` is called at each transition. */
  constructor(config: BreakerConfig, events: Emitter<BreakerEventMap>, entered: () => void) {
    this.#config = config;
    this.view = new BreakerView(entered, (transition) => {
      if (transition.origin !== "elsewhere") recordBreakerTransition(config.name, transition.from, transition.to);
      events.emit("transition", transition);
    });
    this.isStarted = config.backend === null;
    this.#store = config.backend && new BreakerStore({
      backend: config.backend,
      key: config.key,
      view: this.view,
      author: this.#author,
      clock: config.clock,
      timeoutMs: config.storeTimeoutMs,
      pollIntervalMs: config.pollIntervalMs,
      recordTtlMs: config.recordTtlMs,
      onHealth: (error) => error ? events.emit("store_failed", { error }) : events.emit("store_recovered", {}),
    });
  }

  /** Looks at the record for the first time; resolves also when that fails. */
  start(): Promise<void> {
    const store = this.#store;
    this.#starting ??= this.#inTime(async () => await store?.sync()).catch(() => {}).finally(() =>
      this.isStarted = true
    );
    return this.#starting;
  }

  /** Sees to it that the view is fed: waits for nothing. */
  touch(): void {
    if (this.isStarted) this.#store?.poll(monotonicMs(this.#config.clock));
    else void this.start();
  }

  /** As {@linkcode BreakerGate.touch}, for each call of a closed breaker. */
  poll(): void {
    this.#store?.pollByCall();
  }

  /** Why a call cannot go through, as far as this process knows; `null` when it may, or must ask the store. */
  rejection(): Rejection | null {
    const { state } = this.view;
    const now = monotonicMs(this.#config.clock);
    this.#store?.poll(now);
    switch (state.kind) {
      case "closed":
        return null;
      case "isolated":
        return { status: "rejected", state: "isolated", retryAfterMs: Infinity };
      case "open": {
        const retryAfterMs = openEndsInMs(state, now);
        if (retryAfterMs <= 0 && this.#asking.size < this.#config.rules.halfOpenMaxCalls) return null;
        return { status: "rejected", state: "open", retryAfterMs: Math.max(retryAfterMs, 0) };
      }
      case "half_open": {
        const leaseMs = leaseEndsInMs(state, now);
        if (leaseMs <= 0 || (mayProbe(state, this.#config.rules, now) && this.#isPlaceLeft(state))) return null;
        return { status: "rejected", state: "half_open", retryAfterMs: Number.isFinite(leaseMs) ? leaseMs : 0 };
      }
    }
  }

  /** Lets a call through, or tells why not, where nothing has to be asked; `null` where something has. */
  admitNow(): Admission | Rejection | null {
    const { state } = this.view;
    if (state.kind === "closed" && this.isStarted && !this.#config.strict) return admission(state, null, Infinity);
    return this.#store === null ? this.#admitHere() : null;
  }

  /** Lets a call through, or tells why not. */
  async admit(): Promise<Admission | Rejection> {
    if (!this.isStarted) await this.start();
    try {
      const store = this.#store;
      if (this.#config.strict && store?.failure) await this.#inTime(() => store.sync());
      for (let step = 0; step < MAX_STEPS; step++) {
        const rejection = this.rejection();
        if (rejection) return rejection;
        const { state } = this.view;
        if (state.kind === "closed") return admission(state, null, Infinity);
        if (state.kind === "half_open" && leaseEndsInMs(state, monotonicMs(this.#config.clock)) <= 0) {
          await this.apply({ type: "expire", openForMs: this.#nextOpenTimeMs(), by: this.newName() });
          continue;
        }
        const place = await this.#askForProbe();
        if (place) return place;
        // deno-coverage-ignore-start -- only by chance do other processes overtake one call so many times in a row
      }
      return { status: "rejected", state: this.view.state.kind, retryAfterMs: 0 };
      // deno-coverage-ignore-stop
    } catch (cause) {
      return { status: "rejected", state: this.view.state.kind, retryAfterMs: 0, cause };
    }
  }

  /** Without a store, a call begins before whoever makes it goes on, half open too. */
  #admitHere(): Admission | Rejection | null {
    const { view } = this;
    if (view.state.kind === "half_open" && leaseEndsInMs(view.state, monotonicMs(this.#config.clock)) <= 0) {
      this.#applyHere({ type: "expire", openForMs: this.#nextOpenTimeMs(), by: this.newName() });
    }
    const rejection = this.rejection();
    if (rejection) return rejection;
    if (view.state.kind === "closed") return admission(view.state, null, Infinity);
    const id = this.newName();
    this.#applyHere(this.#probeEvent(id));
    return this.#placeOf(id);
  }

  /** Opens the breaker here at once; resolves when the store knows it too, or could not be told in time. */
  trip(): void | Promise<void> {
    const { view } = this;
    const { generation } = view.state;
    const event: BreakerEvent = { type: "trip", generation, openForMs: this.#nextOpenTimeMs(), by: this.newName() };
    view.enter(transition(view.state, event, monotonicMs(this.#config.clock)));
    const store = this.#store;
    if (store) return this.#inTime(() => store.syncInBackground()).catch(() => {});
    view.tell("here");
  }

  /** Tells how a probe ended. Does nothing when the breaker has gone on meanwhile. */
  async endProbe(type: ProbeEnd["type"], { state: { generation }, probe }: Admission): Promise<void> {
    if (probe === null || this.view.state.generation !== generation) return;
    const { rules } = this.#config;
    const event = { type, generation, id: probe, rules, openForMs: this.#nextOpenTimeMs(), by: this.newName() };
    await this.apply(event).catch(() => {}); // the call has ended, whatever the store says
  }

  /**
   * Applies an event: to the record, or where that cannot be, to the view alone.
   *
   * @throws The store's error, where the breaker is strict.
   */
  async apply(event: BreakerEvent): Promise<void> {
    try {
      const store = this.#store;
      if (store) return await this.#inTime(({ signal }) => store.apply(event, signal));
    } catch (error) {
      if (this.#config.strict) throw error;
    }
    this.#applyHere(event);
  }

  /** Applies an event to the view alone. */
  #applyHere(event: BreakerEvent): void {
    this.view.enter(transition(this.view.state, event, monotonicMs(this.#config.clock)));
    this.view.tell(this.#store ? "alone" : "here");
  }

  /** A name that no other transition and no other probe has. */
  newName(): string {
    return this.#author + ++this.#names;
  }

  /** Lets go of the store, after sharing what is to be shared. */
  async close(): Promise<void> {
    const store = this.#store;
    this.#store = null;
    this.isStarted = true;
    await store?.close();
    await this.#starting;
  }

  /** Waits for the store, but not longer than a caller can be made to wait. */
  #inTime(work: (bounded: BoundedRun) => Promise<void>): Promise<void> {
    const { clock, storeTimeoutMs: limitMs } = this.#config;
    return runBounded(work, { clock, limitMs, what: "the work of the breaker's store" });
  }

  /** Asks for a place among the probes; `null` when the state is another one meanwhile, or all places are taken. */
  async #askForProbe(): Promise<Admission | null> {
    const id = this.newName();
    this.#asking.add(id);
    try {
      await this.apply(this.#probeEvent(id));
    } finally {
      this.#asking.delete(id);
    }
    return this.#placeOf(id);
  }

  #probeEvent(id: string): BreakerEvent {
    const { rules, probeLeaseMs: leaseMs } = this.#config;
    return { type: "probe", id, leaseMs, rules, by: id };
  }

  #placeOf(id: string): Admission | null {
    const { state } = this.view;
    const probe = state.kind === "half_open" ? state.probes.find((probe) => probe.id === id) : undefined;
    return probe ? admission(state, id, probe.sinceMs + probe.leaseMs) : null;
  }

  #isPlaceLeft({ probes }: HalfOpenState): boolean {
    const granted = probes.filter(({ id }) => this.#asking.has(id)).length;
    return probes.length + this.#asking.size - granted < this.#config.rules.halfOpenMaxCalls;
  }

  #nextOpenTimeMs(): number {
    return openTimeMs(this.#config, openingsOf(this.view.state) + 1);
  }
}

function admission(state: BreakerState, probe: string | null, leaseEndsAtMs: number): Admission {
  return { status: "admitted", state, probe, leaseEndsAtMs };
}
