/** A cache in front of a shared backend: single records are read in this process while they are fresh. @module */

import { requireOptions } from "../../src/check.ts";
import { type Clock, monotonicMs } from "../../src/clock.ts";
import type {
  BackendTraits,
  Batch,
  Changes,
  ClaimOptions,
  CommitResult,
  Delivery,
  Entry,
  Health,
  ListOptions,
  MessageListOptions,
  MessageState,
  QueueStats,
  StorageBackend,
  StoredMessage,
  Unlisten,
} from "../../src/storage/backend.ts";
import { copyJson, encodeJson } from "../../src/storage/json.ts";
import { encodeKey, encodeKeys, type Key } from "../../src/storage/key.ts";
import { CACHE_OPTIONS, type CacheOptions } from "./options.ts";

interface Cached {
  readonly entry: Entry | null;
  /** Measured, not shown by the clock, which may be set. */
  readonly untilMs: number;
}

// Larger records, in characters of JSON, are read anew each time, so that what is kept is bounded in bytes too.
const MAX_KEPT_LENGTH = 65_536;

/**
 * Caches `get`. Writes through this cache take effect at once, and tell the caches of other processes to forget what
 * they have: they read the new value within the child's `wakeWithinMs`, and within `maxAgeMs` when that hint is lost.
 */
export class CachedBackend implements StorageBackend {
  readonly name: string;
  readonly traits: BackendTraits;
  readonly #child: StorageBackend;
  readonly #clock: Clock;
  readonly #topic: Key;
  readonly #maxAgeMs: number;
  readonly #maxEntries: number;
  readonly #cached = new Map<string, Cached>();
  #listening: Promise<Unlisten> | null = null;
  /** Rises when anything is forgotten: what was read before that is not kept. */
  #epoch = 0;

  /** `prefix` is the part of the child that is cached: the caches of all processes must agree on it. */
  constructor(child: StorageBackend, prefix: Key, options: CacheOptions, clock: Clock) {
    this.name = `cached ${child.name}`;
    this.traits = child.traits;
    this.#child = child;
    this.#clock = clock;
    this.#topic = [...prefix, "\u0000cache"];
    requireOptions("a cache", options, CACHE_OPTIONS);
    const { maxAgeMs = 1000, maxEntries = 1000 } = options;
    this.#maxAgeMs = maxAgeMs;
    this.#maxEntries = maxEntries;
  }

  async get(keys: readonly Key[]): Promise<(Entry | null)[]> {
    const startMs = monotonicMs(this.#clock);
    const names = encodeKeys(keys);
    const found = names.map((name) => this.#look(name, startMs));
    const missing = names.flatMap((_, index) => found[index] === undefined ? [index] : []);
    if (missing.length > 0) {
      const asked = missing.map((index) => [...keys[index] ?? []]); // a caller may change what it gave
      await this.#listen();
      const epoch = this.#epoch;
      const entries = await this.#child.get(asked);
      missing.forEach((index, position) => {
        const entry = entries[position] ?? null;
        found[index] = { entry, untilMs: 0 };
        if (epoch === this.#epoch) this.#keep(names[index] ?? "", entry, startMs);
      });
    }
    return found.map((cached) => cached?.entry ? { ...cached.entry, value: copyJson(cached.entry.value) } : null);
  }

  async commit(batch: Batch): Promise<CommitResult> {
    const checked = (batch.checks ?? []).map(({ key }) => encodeKey(key));
    const written = batch.operations.flatMap((operation) => "key" in operation ? [encodeKey(operation.key)] : []);
    try {
      this.#forget(written);
      const told = written.length > 0 ? { ...batch, notify: [...batch.notify ?? [], this.#topic] } : batch;
      const result = await this.#child.commit(told);
      // Whoever reads anew what has changed must not find here what it was.
      if (!result.committed) this.#forget(checked);
      return result;
    } finally {
      this.#forget(written);
    }
  }

  async clear(prefix: Key): Promise<number> {
    try {
      return await this.#child.clear(prefix);
    } finally {
      this.forgetAll();
      // Whoever does not hear of it forgets what it has when that is too old.
      await this.#child.commit({ operations: [], notify: [this.#topic] }).catch(() => {});
    }
  }

  list(prefix: Key, options?: ListOptions): AsyncIterable<Entry> {
    return this.#child.list(prefix, options);
  }

  count(prefix: Key): Promise<number> {
    return this.#child.count(prefix);
  }

  changes(parent: Key, after?: string): Promise<Changes> {
    return this.#child.changes(parent, after);
  }

  claim(queue: Key, options: ClaimOptions): Promise<Delivery[]> {
    return this.#child.claim(queue, options);
  }

  recover(queue?: Key): Promise<number> {
    return this.#child.recover(queue);
  }

  messages(queue: Key, state: MessageState, options?: MessageListOptions): AsyncIterable<StoredMessage> {
    return this.#child.messages(queue, state, options);
  }

  stats(queue: Key): Promise<QueueStats> {
    return this.#child.stats(queue);
  }

  queues(prefix?: Key): AsyncIterable<Key> {
    return this.#child.queues(prefix);
  }

  listen(topic: Key, wake: () => void): Promise<Unlisten> {
    return this.#child.listen(topic, wake);
  }

  ping(): Promise<Health> {
    return this.#child.ping();
  }

  async close(): Promise<void> {
    const listening = this.#listening;
    this.#listening = null;
    this.forgetAll();
    await listening?.then((unlisten) => unlisten()).catch(() => {}); // a child that is away has nothing to stop
    await this.#child.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Keeps nothing of what was read so far. */
  forgetAll(): void {
    this.#epoch++;
    this.#cached.clear();
  }

  #look(name: string, nowMs: number): Cached | undefined {
    const cached = this.#cached.get(name);
    if (cached === undefined) return undefined;
    this.#cached.delete(name);
    const expiresAtMs = cached.entry?.expiresAtMs;
    if (cached.untilMs <= nowMs || (expiresAtMs !== undefined && expiresAtMs <= this.#clock.now())) return undefined;
    this.#cached.set(name, cached); // the most recently used is last
    return cached;
  }

  #keep(name: string, entry: Entry | null, readAtMs: number): void {
    // When it expires by the engine's clock, this process cannot tell.
    if (entry?.expiresAtMs !== undefined && this.traits.clock === "engine") return;
    if (entry && encodeJson(entry.value).length > MAX_KEPT_LENGTH) return;
    const untilMs = readAtMs + this.#maxAgeMs;
    if ((this.#cached.get(name)?.untilMs ?? 0) > untilMs) return; // one that was read later came first
    this.#cached.set(name, { entry, untilMs });
    if (this.#cached.size <= this.#maxEntries) return;
    for (const [oldest] of this.#cached) {
      this.#cached.delete(oldest);
      break;
    }
  }

  #forget(names: readonly string[]): void {
    if (names.length === 0) return;
    this.#epoch++;
    for (const name of names) this.#cached.delete(name);
  }

  /** Nothing is kept before changes are heard of. */
  async #listen(): Promise<void> {
    this.#listening ??= this.#child.listen(this.#topic, () => this.forgetAll());
    try {
      await this.#listening;
    } catch (error) {
      this.#listening = null;
      throw error;
    }
  }
}
