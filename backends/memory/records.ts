/** The records of the memory backend: a map, an order for listing, and a heap of those that expire. @module */

import type { Changes, Entry, ListOptions } from "../../src/storage/backend.ts";
import { copyJson, type JsonValue } from "../../src/storage/json.ts";
import { compareEncoded, decodeKey, encodedParent, encodeKey, type Key, prefixRange } from "../../src/storage/key.ts";
import { Feed } from "./feed.ts";
import { Heap, type HeapItem } from "../../src/storage/heap.ts";
import { SortedKeys } from "./sorted_keys.ts";

interface Stored extends HeapItem {
  readonly key: string;
  readonly value: JsonValue;
  readonly version: string;
  readonly expiresAtMs: number;
  readonly tracked: boolean;
}

// A page of changes.
const PAGE_SIZE = 1000;

/** Records by encoded key. Everything is synchronous; `now` is passed in. */
export class Records {
  readonly #byKey = new Map<string, Stored>();
  readonly #order = new SortedKeys();
  readonly #expiring = new Heap<Stored>((a, b) => a.expiresAtMs < b.expiresAtMs);
  readonly #feeds = new Map<string, Feed>();
  // Cursors of another store mean nothing here.
  readonly #id = Math.floor(Math.random() * 2 ** 48);
  #lastVersion = 0;

  /** The version of a record, `null` where there is none. */
  version(key: string): string | null {
    return this.#byKey.get(key)?.version ?? null;
  }

  /** A copy of a record. */
  get(key: string): Entry | null {
    const stored = this.#byKey.get(key);
    return stored ? toEntry(stored) : null;
  }

  /** Stores a value, which must not be changed any more, and returns its version. */
  set(key: string, value: JsonValue, expiresAtMs: number, tracked: boolean): string {
    const before = this.#byKey.get(key);
    if (before === undefined) this.#order.add(key);
    else if (before.expiresAtMs !== Infinity) this.#expiring.delete(before);
    const version = String(++this.#lastVersion);
    const stored: Stored = { key, value, version, expiresAtMs, tracked, heapIndex: 0 };
    this.#byKey.set(key, stored);
    if (expiresAtMs !== Infinity) this.#expiring.push(stored);
    if (tracked) this.#feedOf(key).write(key, this.#lastVersion);
    else if (before?.tracked) this.#forget(key);
    return version;
  }

  /** Deletes a record and tells whether there was one. */
  delete(key: string): boolean {
    const stored = this.#byKey.get(key);
    if (stored === undefined) return false;
    this.#byKey.delete(key);
    this.#order.delete(key);
    if (stored.expiresAtMs !== Infinity) this.#expiring.delete(stored);
    if (stored.tracked) this.#forget(key);
    return true;
  }

  /** What has changed among the tracked records of a parent since a cursor. */
  changes(parent: string, after: string | undefined, now: number): Changes {
    const feed = this.#feeds.get(parent);
    // Whoever begins from the start at the moment `since` need not be told of deletions before it.
    const [id, position = NaN, since = NaN] = after?.split(".").map(Number) ?? [];
    const known = id === this.#id && feed !== undefined && Math.max(position, since) >= feed.floor;
    const page = feed?.read(known ? position : 0, PAGE_SIZE) ?? { keys: [], end: this.#lastVersion, more: false };
    const entries: Entry[] = [];
    const deleted: Key[] = [];
    for (const key of page.keys) {
      const stored = this.#byKey.get(key);
      if (stored?.tracked) entries.push(toEntry(stored));
      else deleted.push(decodeKey(key));
    }
    const cursor = [this.#id, page.end, known ? since : this.#lastVersion].join(".");
    return { entries, deleted: known ? deleted : [], cursor, more: page.more, reset: !known, nowMs: now };
  }

  /** Deletes what has expired. Called before every read and write, so that nothing else looks at the time. */
  expire(now: number): void {
    for (let next = this.#expiring.peek(); next && next.expiresAtMs <= now; next = this.#expiring.peek()) {
      this.delete(next.key);
    }
  }

  /** Copies of the records below a prefix, in order. */
  list(prefix: Key, { limit = Infinity, reverse = false, after }: ListOptions): Entry[] {
    const entries: Entry[] = [];
    for (const key of this.#keysBelow(prefix, reverse, after)) {
      if (entries.length >= limit) break;
      const stored = this.#byKey.get(key);
      if (stored) entries.push(toEntry(stored));
    }
    return entries;
  }

  /** How many records are below a prefix. */
  count(prefix: Key): number {
    let count = 0;
    for (const _ of this.#keysBelow(prefix, false)) count++;
    return count;
  }

  /** Deletes the records below a prefix. */
  clear(prefix: Key): number {
    const keys = [...this.#keysBelow(prefix, false)];
    for (const key of keys) this.delete(key);
    return keys.length;
  }

  #feedOf(key: string): Feed {
    const parent = encodedParent(key);
    let feed = this.#feeds.get(parent);
    if (feed === undefined) this.#feeds.set(parent, feed = new Feed(this.#lastVersion - 1));
    return feed;
  }

  /** A tracked record is one no longer. */
  #forget(key: string): void {
    const feed = this.#feedOf(key);
    feed.delete(key, ++this.#lastVersion);
    if (feed.size === 0) this.#feeds.delete(encodedParent(key));
  }

  #keysBelow(prefix: Key, reverse: boolean, after?: Key): Generator<string> {
    let { from, to } = prefixRange(prefix);
    if (after !== undefined) {
      const bound = encodeKey(after);
      if (reverse && compareEncoded(bound, to) < 0) to = bound;
      if (!reverse && compareEncoded(bound, from) > 0) from = bound;
    }
    return this.#order.between(from, to, reverse);
  }
}

const TRACKED = { tracked: true } as const;

function toEntry({ key, value, version, expiresAtMs, tracked }: Stored): Entry {
  const entry = { key: decodeKey(key), value: copyJson(value), version, ...(tracked && TRACKED) };
  return expiresAtMs === Infinity ? entry : { ...entry, expiresAtMs };
}
