/** Turns of the event loop: calls that follow one another without end let timers and sockets have theirs. @module */

import { monotonicMs, systemClock } from "../clock.ts";

/** After so long without a turn, a call waits for one. */
const BUSY_MS = 10;

/** So many calls are made before anybody thinks of a turn: most have theirs before, and it costs up to 10 µs. */
const FEW_CALLS = 64;

// The clock costs as much as a tenth of a call in memory; so many calls take less than a turn.
const CALLS_PER_LOOK = 16;

/**
 * An engine in this process answers at once, so that a loop of calls never leaves the microtasks: without this, no
 * timer would fire and no server would answer until it ends. Whoever makes a call now and then waits for nothing.
 */
export class Turns {
  #calls = 0;
  #next: Promise<void> | null = null;
  #isDue = false;
  #sinceMs = 0;

  /** The next turn, when it has been waited for since many of these calls; `null` when there is time. */
  due(): Promise<void> | null {
    if (this.#isDue || ++this.#calls < FEW_CALLS) return this.#next;
    if (this.#next === null) void this.#begin();
    else if (this.#calls % CALLS_PER_LOOK === 0) this.#isDue = monotonicMs(systemClock) - this.#sinceMs >= BUSY_MS;
    return this.#isDue ? this.#next : null;
  }

  /** The next turn, for who has made one step of many, each of which takes long. */
  next(): Promise<void> {
    return this.#next ?? this.#begin();
  }

  /** Resolves once nothing is waited for any more. */
  async end(): Promise<void> {
    await this.#next;
  }

  #begin(): Promise<void> {
    this.#sinceMs = monotonicMs(systemClock);
    return this.#next = new Promise((resolve) => {
      later(() => {
        this.#calls = 0;
        this.#next = null;
        this.#isDue = false;
        resolve();
      });
    });
  }
}

/** Calls back in the next turn: in 10 µs, or in a millisecond or two where there are only timers. */
function later(callback: () => void): void {
  // Behind a message channel, which browsers have too, Deno may let no timer fire.
  if (typeof globalThis.setImmediate === "function") globalThis.setImmediate(callback);
  else systemClock.setTimer(callback, 0);
}
