/** Who listens: woken at once by what this backend commits, and by a poll for what other connections do. @module */

import { systemClock } from "../../src/clock.ts";
import type { Unlisten } from "../../src/storage/backend.ts";
import { Listeners } from "../../src/storage/listeners.ts";
import type { Connection } from "./connection.ts";
import type { Store } from "./store.ts";

// A look takes 4 µs, so that 200 a second take a thousandth of a processor.
const POLL_MS = 5;

/** How long it takes at most, in a healthy system, until another connection's commit is noticed. */
export const WAKE_WITHIN_MS = 2 * POLL_MS;

/** The listeners of one backend. While there are any, and others can write, it polls. */
export class Wakes {
  readonly #listeners = new Listeners();
  readonly #seen = new Map<string, number | null>();
  readonly #store: () => Store;
  readonly #polls: boolean;
  #connection: Connection | null = null;
  #dataVersion = 0;
  #cancel: (() => void) | null = null;

  /** `polls`: whether there can be other connections than that of the store. */
  constructor(store: () => Store, polls: boolean) {
    this.#store = store;
    this.#polls = polls;
  }

  /** Adds a listener. Later commits of others are noticed, also where the poll comes only after them. */
  add(topic: string, wake: () => void): Unlisten {
    if (this.#polls && !this.#listeners.has(topic)) this.#watch(topic);
    return this.#listeners.add(topic, wake, () => {
      this.#seen.delete(topic);
      if (this.#listeners.size === 0) this.#stop();
    });
  }

  /** Wakes the listeners of a topic, of which `wakes` is known now. */
  wake(topic: string, wakes: number): void {
    if (!this.#listeners.has(topic)) return;
    this.#seen.set(topic, wakes);
    this.#listeners.wake(topic);
  }

  /** Forgets everybody. */
  clear(): void {
    this.#stop();
    this.#listeners.wakeAll(); // whoever waits is to learn of it now
    this.#listeners.clear();
    this.#seen.clear();
  }

  #watch(topic: string): void {
    const { connection, queues } = this.#store();
    if (this.#cancel === null) {
      this.#connection = connection;
      this.#dataVersion = connection.dataVersion();
    }
    this.#seen.set(topic, queues.wakesOf(topic));
    this.#cancel ??= systemClock.setTimer(() => this.#poll(), POLL_MS);
  }

  // On the system's clock, also where another one decides about leases: other processes live in real time.
  #poll(): void {
    this.#cancel = systemClock.setTimer(() => this.#poll(), POLL_MS);
    try {
      const { connection, queues } = this.#store();
      const version = connection.dataVersion();
      const isNew = connection !== this.#connection; // perhaps of another file, whose numbers say nothing
      if (version === this.#dataVersion && !isNew) return;
      for (const topic of this.#listeners.topics()) {
        const wakes = queues.wakesOf(topic);
        if (wakes === this.#seen.get(topic) && !isNew) continue;
        this.#seen.set(topic, wakes);
        this.#listeners.wake(topic);
      }
      this.#connection = connection;
      this.#dataVersion = version;
    } catch {
      // Locked or out of order: the next look is soon.
    }
  }

  #stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }
}
