/** Tells listeners of what changes in a memory, whoever changes it. @module */

import { requireFunction, requireString } from "../check.ts";
import { type Clock, sleep } from "../clock.ts";
import { BackendClosedError } from "../errors.ts";
import type { StorageBackend, Unlisten } from "../storage/backend.ts";
import type { Key } from "../storage/key.ts";
import type { MemoryChange } from "./model.ts";
import type { Replica } from "./replica.ts";

/**
 * However quiet it is, a watch looks this often: a wake-up is a hint and may be lost, unless nothing lies in between.
 */
const FLOOR_MS = 1000;

/** The watches of one memory. */
export class Watches {
  readonly #backend: () => Promise<StorageBackend>;
  readonly #topic: Key;
  readonly #replica: Replica;
  readonly #clock: Clock;
  readonly #ends = new Set<() => Promise<void>>();

  /** Watches what a replica follows; the topic is notified of every change. */
  constructor(backend: () => Promise<StorageBackend>, topic: Key, replica: Replica, clock: Clock) {
    this.#backend = backend;
    this.#topic = topic;
    this.#replica = replica;
    this.#clock = clock;
  }

  /** Calls a listener for changes of keys that begin with `prefix`, until the returned function is called. */
  async add(listener: (change: MemoryChange) => void, prefix: string): Promise<() => Promise<void>> {
    requireFunction("listener", listener);
    requireString("prefix", prefix, 0, Infinity);
    const backend = await this.#backend();
    const following = new Set<Promise<void>>();
    let isListening = false;
    const unlisten: Unlisten = await backend.listen(this.#topic, () => {
      if (!isListening) return; // to look now would, in an outage, hold up the look below
      const reading = this.#look().then(() => void following.delete(reading));
      following.add(reading);
    });
    isListening = true;
    try {
      // What is there already is no change.
      await this.#replica.follow();
    } catch (error) {
      await unlisten();
      throw error;
    }
    const unwatch = this.#replica.watch((change) => {
      if (change.key.startsWith(prefix)) listener(change);
    });
    const ended = new AbortController();
    const looking = backend.traits.wakeWithinMs > 0 && this.#lookUntil(ended.signal);
    const end = async () => {
      if (!this.#ends.delete(end)) return;
      unwatch();
      ended.abort();
      await unlisten();
      await Promise.all([looking, ...following]);
    };
    this.#ends.add(end);
    return end;
  }

  /** Ends all watches. */
  async close(): Promise<void> {
    await Promise.all([...this.#ends].map((end) => end()));
  }

  /** Looks until it is told to stop, or there is nothing any more to look at. */
  async #lookUntil(signal: AbortSignal): Promise<void> {
    for (let isThere = true; isThere && !signal.aborted;) {
      await sleep(this.#clock, FLOOR_MS, signal).catch(() => {});
      if (!signal.aborted) isThere = await this.#look();
    }
  }

  /**
   * Lets the replica tell what has changed; what cannot be read now is read at the next look, unless the backend was
   * closed: then the answer is `false`.
   */
  #look(): Promise<boolean> {
    return this.#replica.follow().then(() => true, (error) => !(error instanceof BackendClosedError));
  }
}
