/** Ranks: what orders messages with the same time, in one process and across processes, with no contention. @module */

import { randomId } from "../../src/ids.ts";

const VERSIONSTAMP_LENGTH = 20;
const COUNT_LENGTH = 9;
const INSTANCE_LENGTH = 10;

/**
 * Makes ranks that rise. A rank begins with the newest versionstamp that this instance has seen. Whoever reads a
 * queue's counter before it puts a message in line has seen the commits of all that were in line before, and ranks
 * behind them, in whichever process those were sent. The rest counts within the instance, and names it: no two ranks
 * are equal.
 */
export class Ranks {
  readonly #instance = randomId().slice(0, INSTANCE_LENGTH);
  #seen = "0".repeat(VERSIONSTAMP_LENGTH);
  #count = 0;

  /** Notes a versionstamp, as read or committed. */
  observe(versionstamp: string | null): void {
    if (versionstamp !== null && versionstamp > this.#seen) this.#seen = versionstamp;
  }

  /** A rank behind all that it has made, and behind all that was committed before what it has observed. */
  next(): string {
    return this.#seen + (++this.#count).toString(36).padStart(COUNT_LENGTH, "0") + this.#instance;
  }
}
