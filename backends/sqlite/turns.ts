/** Turns of the event loop: calls that follow one another without end let timers and sockets have theirs. @module */

import { systemClock } from "../../src/clock.ts";

// A turn takes 10 µs by itself, so that one every 10 ms costs nothing that could be measured.
const BUSY_MS = 10;

/**
 * SQLite answers at once, so that a loop of calls never leaves the microtasks: without this, no timer would fire and no
 * server would answer until it ends.
 */
export class Turns {
  #lastMs = -Infinity;
  #turn: Promise<void> | null = null;

  /** A promise of the next turn when it is time for one, else `null`. */
  due(): Promise<void> | null {
    if (this.#turn === null && Math.abs(systemClock.now() - this.#lastMs) >= BUSY_MS) this.#turn = this.#next();
    return this.#turn;
  }

  async #next(): Promise<void> {
    // Not a timer of 0 ms, which takes 1 to 2, nor a message channel, behind which Deno lets no timer fire.
    await new Promise<void>((resolve) => void globalThis.setImmediate(resolve));
    this.#turn = null;
    this.#lastMs = systemClock.now();
  }
}
