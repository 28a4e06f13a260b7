/** Waiting for messages of one queue: by wake-up and by the time of the next due message, with a slow floor. @module */

import { DURATION, requireNumber, requireOptionsObject, requireSignal } from "../check.ts";
import { type Clock, monotonicMs } from "../clock.ts";
import { isOutage, tellSafely } from "../errors.ts";
import { observeReceive } from "../observability/messaging_telemetry.ts";
import { runBounded } from "../resilience/time_limit.ts";
import type { ClaimOptions, Delivery, StorageBackend, Unlisten } from "../storage/backend.ts";
import type { Key } from "../storage/key.ts";
import { endListening } from "../storage/listeners.ts";
import { decodeMessage } from "./envelope.ts";

/** However quiet it is, the queue is looked at this often: a wake-up is a hint and may be lost. */
const FLOOR_MS = 1000;

/** While the backend is away, it is tried again this often. */
const OUTAGE_MS = 250;

/** So long a claim may still answer once its caller has gone: a healthy engine does, and leases nothing in vain. */
const GRACE_MS = 200;

/** When a message is ready that a claim did not get, another receiver was faster, or its engine lags. */
const RACE_MS = 2;

/** What to take, and how long to wait for it. */
export interface TakeOptions {
  /** How long the messages are leased, in milliseconds. */
  readonly leaseMs: number;
  /** At most so many messages, 1 to 1000. */
  readonly limit: number;
  /** How long to wait, in milliseconds: 0 looks once; `Infinity` waits until `signal` says otherwise. */
  readonly waitMs: number;
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined;
  /** Told of an outage that is waited out, once. What it throws is ignored. */
  readonly onOutage?: (error: Error) => void;
}

/**
 * One queue, and those of this coordinator who wait at it: they share a listener, which lives from the first wait to
 * `close`.
 */
export class Inbox {
  readonly #backend: StorageBackend;
  readonly #queue: Key;
  readonly #clock: Clock;
  readonly #wakeups = new Set<() => void>();
  #listening: Promise<Unlisten> | null = null;
  #wakes = 0;

  /** The inbox of `queue`; nothing happens before somebody waits. */
  constructor(backend: StorageBackend, queue: Key, clock: Clock) {
    this.#backend = backend;
    this.#queue = queue;
    this.#clock = clock;
  }

  /**
   * Leases what is due, or waits for it. An outage is waited out as long as there is time. What was leased is returned
   * even when the signal was aborted meanwhile, unless the engine takes its time: then the wait ends without it, and
   * what comes is given back at once, or when its lease ends. Its delivery counts as an attempt.
   *
   * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
   * @throws {BackendUnavailableError} When the backend cannot be reached, and the time to wait is over.
   * @throws The reason of `signal`, when it is aborted.
   */
  async take(options: TakeOptions): Promise<Delivery[]> {
    requireOptionsObject("take()", options);
    const { leaseMs, limit, waitMs, signal, onOutage } = options;
    if (waitMs !== Infinity) requireNumber("waitMs", waitMs, DURATION);
    if (signal !== undefined) requireSignal("signal", signal);
    signal?.throwIfAborted();
    if (waitMs === 0) {
      const claiming = claimFrom(this.#backend, this.#queue, { leaseMs, limit });
      return await this.#unlessAborted(claiming, signal, (deliveries) => deliveries);
    }
    const deadline = monotonicMs(this.#clock) + waitMs;
    const isOver = () => signal?.aborted === true || monotonicMs(this.#clock) >= deadline;
    for (let isAway = false;;) {
      const wakes = this.#wakes;
      const looking = this.#look(leaseMs, limit, isOver);
      const outcome = await this.#unlessAborted(looking, signal, leasedBy);
      const remainingMs = deadline - monotonicMs(this.#clock);
      if (outcome.type === "found") {
        this.#wakeNext(); // there may be more
        return outcome.deliveries;
      }
      this.#throwIfAborted(signal);
      if (remainingMs <= 0) {
        if (outcome.type === "outage") throw outcome.error;
        return [];
      }
      if (outcome.type === "outage" && !isAway) tellSafely(() => onOutage?.(outcome.error));
      isAway = outcome.type === "outage";
      await this.#wait(wakes, Math.min(outcome.sleepMs, remainingMs), signal);
    }
  }

  /** Stops listening. */
  async close(): Promise<void> {
    const listening = this.#listening;
    this.#listening = null;
    await endListening(listening);
  }

  /** What `work` comes to. Whoever is gone before leaves it to itself, and what it has leased is given back. */
  async #unlessAborted<Result>(
    work: Promise<Result>,
    signal: AbortSignal | undefined,
    leased: (result: Result) => readonly Delivery[],
  ): Promise<Result> {
    if (signal === undefined) return await work;
    try {
      return await runBounded(() => work, { clock: this.#clock, signal, graceMs: GRACE_MS, what: "the look" });
    } catch (error) {
      void work.then((late) => giveBack(this.#backend, leased(late))).catch(() => {}); // their leases end
      this.#throwIfAborted(signal);
      throw error;
    }
  }

  /** Claims; when there is nothing, listens before it looks a last time, so that no message slips between. */
  async #look(leaseMs: number, limit: number, isOver: () => boolean): Promise<Look> {
    try {
      const deliveries = await claimFrom(this.#backend, this.#queue, { leaseMs, limit });
      if (deliveries.length > 0) return { type: "found", deliveries };
      if (isOver()) return { type: "empty", sleepMs: 0 }; // in an outage, each further call takes its whole time
      if (this.#listening === null) {
        await this.#listen();
        return { type: "empty", sleepMs: 0 };
      }
      const { ready, nextDueInMs } = await this.#backend.stats(this.#queue);
      return { type: "empty", sleepMs: ready > 0 ? RACE_MS : Math.min(FLOOR_MS, nextDueInMs ?? FLOOR_MS) };
    } catch (error) {
      if (!isOutage(error)) throw error;
      return { type: "outage", sleepMs: OUTAGE_MS, error };
    }
  }

  async #listen(): Promise<void> {
    const listening = this.#backend.listen(this.#queue, () => {
      this.#wakes++;
      this.#wakeNext();
    });
    this.#listening = listening;
    try {
      await listening;
    } catch (error) {
      this.#listening = null;
      throw error;
    }
  }

  /** Sleeps until a wake-up, a timer or the signal; not at all when a wake-up came since `wakes` was read. */
  async #wait(wakes: number, delayMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#wakes !== wakes || delayMs <= 0) return;
    signal?.throwIfAborted();
    await new Promise<void>((resolve) => {
      const done = () => {
        cancel();
        this.#wakeups.delete(done);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      // Times are compared in whole units of the backend's precision: one more, so as not to come too early.
      const cancel = this.#clock.setTimer(done, Math.ceil(delayMs) + this.#backend.traits.timePrecisionMs - 1);
      this.#wakeups.add(done);
      signal?.addEventListener("abort", done);
    });
    this.#throwIfAborted(signal);
  }

  #throwIfAborted(signal: AbortSignal | undefined): void {
    if (signal?.aborted) this.#wakeNext(); // whoever woke this one must not have done it for nothing
    signal?.throwIfAborted();
  }

  /**
   * Wakes the one who has waited longest: when it finds something, it wakes the next, and when not, nobody else would.
   * With all of them woken at once, 1,000 waiters took 2.0 s for 1,000 messages in memory instead of 0.3 s.
   */
  #wakeNext(): void {
    for (const wake of this.#wakeups) {
      wake();
      return;
    }
  }
}

/**
 * The inboxes of one coordinator: those who wait at one queue share one, and so a listener, that lives as long as they
 * wait.
 */
export class SharedInboxes {
  readonly #backend: StorageBackend;
  readonly #clock: Clock;
  readonly #shared = new Map<string, { readonly inbox: Inbox; waiting: number }>();

  /** Nobody waits yet. */
  constructor(backend: StorageBackend, clock: Clock) {
    this.#backend = backend;
    this.#clock = clock;
  }

  /** Leases what is due in `queue`, or waits for it, as {@linkcode Inbox.take} does. */
  async take(queue: Key, options: TakeOptions): Promise<Delivery[]> {
    const name = JSON.stringify(queue);
    const shared = this.#shared.get(name) ?? { inbox: new Inbox(this.#backend, queue, this.#clock), waiting: 0 };
    this.#shared.set(name, shared);
    shared.waiting++;
    try {
      return await shared.inbox.take(options);
    } finally {
      if (--shared.waiting === 0) {
        this.#shared.delete(name);
        void shared.inbox.close(); // in an outage it takes the time of a call, for which nobody has to wait
      }
    }
  }
}

type Look =
  | { readonly type: "found"; readonly deliveries: Delivery[] }
  | { readonly type: "empty"; readonly sleepMs: number }
  | { readonly type: "outage"; readonly sleepMs: number; readonly error: Error };

function leasedBy(look: Look): readonly Delivery[] {
  return look.type === "found" ? look.deliveries : [];
}

async function giveBack(backend: StorageBackend, deliveries: readonly Delivery[]): Promise<void> {
  const error = "the receiver had gone before the message came";
  await Promise.all(deliveries.map(({ queue, id, token }) => {
    return backend.commit({ operations: [{ type: "retry", queue, id, token, error }] });
  }));
}

/** Claims messages, and tells so to whoever observes. */
export function claimFrom(backend: StorageBackend, queue: Key, options: ClaimOptions): Promise<Delivery[]> {
  const received = observeReceive(queue);
  const claim = backend.claim(queue, options);
  if (!received) return claim;
  return claim.then((deliveries) => {
    received(deliveries.map(({ value }) => decodeMessage(value)).filter((message) => message !== null));
    return deliveries;
  });
}
