/** Turns of the event loop: calls that follow one another without end let timers and sockets have theirs. @module */

import { systemClock } from "../../src/clock.ts";

/** After so long without a turn, a call waits for one. */
const BUSY_MS = 10;

/**
 * SQLite answers at once, so that a loop of calls never leaves the microtasks: without this, no timer would fire and no
 * server would answer until it ends. Whoever makes a call now and then waits for nothing.
 */
export class Turns {
  #next: Promise<void> | null = null;
  #sinceMs = 0;

  /** The next turn, when it has been waited for since the first of these calls; `null` when there is time. */
  due(): Promise<void> | null {
    if (this.#next !== null) return systemClock.now() - this.#sinceMs >= BUSY_MS ? this.#next : null;
    this.#sinceMs = systemClock.now();
    this.#next = new Promise((resolve) => {
      // 10 µs; a timer of 0 ms takes 1 to 2, and behind a message channel Deno may let no timer fire.
      globalThis.setImmediate(() => {
        this.#next = null;
        resolve();
      });
    });
    return null;
  }

  /** Resolves once nothing is waited for any more. */
  async end(): Promise<void> {
    await this.#next;
  }
}
