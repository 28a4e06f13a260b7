/** Keeps leases alive while handlers run: one timer for all of them, and none while nothing runs. @module */

import { type Clock, monotonicMs } from "../clock.ts";
import { Bag, type BagItem } from "../storage/bag.ts";

interface Kept extends BagItem {
  readonly extend: () => Promise<boolean>;
  readonly onLost: () => void;
  /** When the lease ends, by this process's clock, counted from before it was asked for. */
  endsAtMs: number;
  extending: boolean;
}

/** Extends each lease once a third of it is over, and tells when one is lost. */
export class LeaseKeeper {
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #kept = new Bag<Kept>();
  #cancel: (() => void) | null = null;

  /** Keeps leases of `leaseMs` each. */
  constructor(clock: Clock, leaseMs: number) {
    this.#clock = clock;
    this.#leaseMs = leaseMs;
  }

  /**
   * Keeps a lease that has just begun, until the returned function is called. `onLost` is called when `extend` says
   * that the lease is lost, or could not be called in time.
   */
  keep(extend: () => Promise<boolean>, onLost: () => void): () => void {
    const endsAtMs = monotonicMs(this.#clock) + this.#leaseMs;
    const kept: Kept = { extend, onLost, endsAtMs, extending: false, bagIndex: 0 };
    this.#kept.add(kept);
    this.#schedule();
    return () => void this.#kept.delete(kept);
  }

  /** Keeps nothing any more. */
  stop(): void {
    this.#kept.clear();
    this.#cancel?.();
    this.#cancel = null;
  }

  /**
   * The timer runs out by itself a tick after the last lease was released: setting it anew for each would cost more.
   */
  #schedule(): void {
    this.#cancel ??= this.#clock.setTimer(() => {
      this.#cancel = null;
      if (this.#kept.size === 0) return;
      for (const kept of this.#kept) this.#look(kept);
      this.#schedule();
    }, this.#leaseMs / 6);
  }

  #look(kept: Kept): void {
    const now = monotonicMs(this.#clock);
    if (now >= kept.endsAtMs) this.#lose(kept);
    else if (!kept.extending && now >= kept.endsAtMs - this.#leaseMs * 2 / 3) void this.#extend(kept);
  }

  async #extend(kept: Kept): Promise<void> {
    kept.extending = true;
    const startedAtMs = monotonicMs(this.#clock);
    try {
      if (await kept.extend()) kept.endsAtMs = startedAtMs + this.#leaseMs;
      else this.#lose(kept);
    } catch {
      // An outage: it is tried again at the next tick, until the lease is over.
    } finally {
      kept.extending = false;
    }
  }

  #lose(kept: Kept): void {
    if (this.#kept.delete(kept)) kept.onLost();
  }
}
