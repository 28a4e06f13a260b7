/** Turns of the event loop: calls that follow one another without a pause let timers and sockets have theirs. @module */

import { systemClock } from "../../src/clock.ts";

// A turn takes 40 µs in Deno, so that one every 10 ms costs half a percent.
const BUSY_MS = 10;
const PAUSE_MS = 2;

/**
 * SQLite answers at once, so that a loop of calls never leaves the microtasks: without this, no timer would fire and no
 * server would answer until it ends.
 */
export class Turns {
  #beganMs = -Infinity;
  #lastMs = -Infinity;
  #turn: Promise<void> | null = null;

  /** A promise of the next turn when it is time for one, else `null`. */
  due(): Promise<void> | null {
    const now = systemClock.now();
    if (now - this.#lastMs > PAUSE_MS) this.#beganMs = now;
    this.#lastMs = now;
    if (this.#turn === null && now - this.#beganMs >= BUSY_MS) this.#turn = this.#next();
    return this.#turn;
  }

  async #next(): Promise<void> {
    await new Promise<void>((resolve) => {
      // Not a timer of 0 ms, which takes 1 to 2.
      const { port1, port2 } = new MessageChannel();
      port2.onmessage = () => {
        port1.close();
        port2.close();
        resolve();
      };
      port1.postMessage(null);
    });
    this.#turn = null;
    this.#beganMs = systemClock.now();
  }
}
