/** Reads that are asked for one by one and made together. @module */

import type { DenoKvEntryMaybe, DenoKvKey } from "./driver.ts";
import type { Engine } from "./engine.ts";

interface Waiting {
  readonly key: DenoKvKey;
  readonly resolve: (entry: DenoKvEntryMaybe) => void;
  readonly reject: (error: unknown) => void;
}

/** Reads each entry once, and together those that are asked for in the same turn. */
export class Reads {
  readonly #engine: Engine;
  readonly #deadlineMs: number;
  readonly #entries = new Map<string, Promise<DenoKvEntryMaybe>>();
  #waiting: Waiting[] = [];

  /** Reads that have to be done by the deadline. */
  constructor(engine: Engine, deadlineMs: number) {
    this.#engine = engine;
    this.#deadlineMs = deadlineMs;
  }

  /** An entry. `slot` names it among these reads. */
  get(slot: string, key: DenoKvKey): Promise<DenoKvEntryMaybe> {
    let entry = this.#entries.get(slot);
    if (entry === undefined) {
      entry = new Promise((resolve, reject) => {
        if (this.#waiting.push({ key, resolve, reject }) === 1) queueMicrotask(() => this.#make());
      });
      this.#entries.set(slot, entry);
    }
    return entry;
  }

  async #make(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    try {
      const entries = await this.#engine.read(waiting.map(({ key }) => key), this.#deadlineMs);
      entries.forEach((entry, index) => waiting[index]?.resolve(entry));
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }
}
