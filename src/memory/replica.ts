/** Keeps an index of a memory in step with the backend, whoever writes there. @module */

import { sleep, systemClock } from "../clock.ts";
import type { Changes, Entry, StorageBackend } from "../storage/backend.ts";
import { Heap, type HeapItem } from "../storage/heap.ts";
import { decodeEntry, nullIfCorrupt, type StoredEntry } from "./entry_record.ts";
import { fieldTokens } from "./fields.ts";
import { impliedSession, type MemoryKeys } from "./keys.ts";
import type { MemoryChange } from "./model.ts";
import { SearchIndex } from "./search_index.ts";
import { type Analyzer, stringsOf } from "./text.ts";

/** What is known of an entry beside the index. */
interface Known extends HeapItem {
  readonly key: string;
  readonly version: string;
  readonly expiresAtMs: number;
}

/** What a replica is made of. */
export interface ReplicaOptions {
  readonly backend: () => Promise<StorageBackend>;
  readonly keys: MemoryKeys;
  readonly analyzer: Analyzer;
  /** The length of vectors; 0 where there is no embedder. */
  readonly dimensions: number;
}

/**
 * Follows the entries of a memory. Everything that was committed before `follow` was called is in the index when it
 * resolves, and nothing that had expired is.
 */
export class Replica {
  /** What is known of the entries. */
  readonly index: SearchIndex = new SearchIndex();
  /** The backend's time when it was last asked. */
  nowMs = 0;
  readonly #options: ReplicaOptions;
  readonly #known = new Map<string, Known>();
  readonly #expiring = new Heap<Known>((a, b) => a.expiresAtMs < b.expiresAtMs);
  readonly #watchers = new Set<(change: MemoryChange) => void>();
  #cursor: string | undefined;
  /** While everything is read anew: the keys that were not seen yet. */
  #unseen: Set<string> | null = null;
  #reading: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  /** Follows one memory; nothing is read yet. */
  constructor(options: ReplicaOptions) {
    this.#options = options;
  }

  /** Brings the index up to date. Calls that are made while one is under way share the one after it, or its failure. */
  follow(): Promise<void> {
    if (this.#reading === null) return this.#reading = this.#read().finally(() => this.#reading = null);
    // What is under way may have asked the backend already, before the caller's last write.
    return this.#next ??= this.#reading.finally(() => this.#next = null).then(() => this.follow());
  }

  /** Calls `watcher` for each change that is seen from now on, until the returned function is called. */
  watch(watcher: (change: MemoryChange) => void): () => void {
    this.#watchers.add(watcher);
    return () => void this.#watchers.delete(watcher);
  }

  async #read(): Promise<void> {
    const backend = await this.#options.backend();
    for (let more = true; more;) {
      const page = await backend.changes(this.#options.keys.entries, this.#cursor);
      await this.#apply(page);
      more = page.more;
      // A large memory takes seconds to read; leases and heartbeats of this process must not wait for the end.
      if (more) await sleep(systemClock, 0);
    }
    for (let next = this.#expiring.peek(); next && next.expiresAtMs <= this.nowMs; next = this.#expiring.peek()) {
      this.#forget(next);
    }
  }

  async #apply({ entries, deleted, cursor, more, reset, nowMs }: Changes): Promise<void> {
    // Whatever fails below, the next page to be read is not behind what was not applied.
    this.#cursor = undefined;
    if (reset) this.#unseen = new Set(this.#known.keys());
    for (const key of deleted) this.#remove(this.#options.keys.nameOf(key));
    for (const entry of entries) await this.#put(entry);
    if (!more && this.#unseen) {
      for (const key of this.#unseen) this.#remove(key);
      this.#unseen = null;
    }
    this.nowMs = nowMs;
    this.#cursor = cursor;
  }

  async #put(entry: Entry): Promise<void> {
    const key = this.#options.keys.nameOf(entry.key);
    this.#unseen?.delete(key);
    const { version, expiresAtMs = Infinity } = entry;
    const before = this.#known.get(key);
    if (before?.version === version) return;
    const stored = await decodeEntry(entry.value).catch(nullIfCorrupt); // to get it says what it is
    if (stored === null) return this.#remove(key);
    this.#index(key, stored);
    if (before && before.expiresAtMs !== Infinity) this.#expiring.delete(before);
    const known: Known = { key, version, expiresAtMs, heapIndex: 0 };
    this.#known.set(key, known);
    if (expiresAtMs !== Infinity) this.#expiring.push(known);
    this.#tell({ type: "set", key, value: stored.value });
  }

  #index(
    key: string,
    { value, createdAtMs, updatedAtMs, sequence, session, order, vector }: StoredEntry,
  ): void {
    const { analyzer, dimensions } = this.#options;
    const name = session === undefined ? impliedSession(key) : session;
    this.index.set({
      key,
      tokens: stringsOf(value).flatMap((text) => analyzer.tokens(text)),
      fields: fieldTokens(value),
      session: name === null ? null : { name, isImplied: session === undefined },
      position: { order: order ?? createdAtMs, sequence, key },
      updatedAtMs,
      // Of another embedder's vectors nothing can be told.
      vector: vector?.length === dimensions ? vector : null,
    });
  }

  #remove(key: string): void {
    const known = this.#known.get(key);
    if (known === undefined) return;
    this.#forget(known);
    this.#tell({ type: "delete", key });
  }

  #forget(known: Known): void {
    if (known.expiresAtMs !== Infinity) this.#expiring.delete(known);
    this.#known.delete(known.key);
    this.index.delete(known.key);
  }

  #tell(change: MemoryChange): void {
    for (const watcher of this.#watchers) {
      try {
        watcher(change);
      } catch {
        // A watcher's fault is the watcher's.
      }
    }
  }
}
