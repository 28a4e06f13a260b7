/** The records of the memory backend: a map, an order for listing, and a heap of those that expire. @module */

import type { Entry, ListOptions } from "../../src/storage/backend.ts";
import { copyJson, type JsonValue } from "../../src/storage/json.ts";
import { compareEncoded, decodeKey, encodeKey, type Key, prefixRange } from "../../src/storage/key.ts";
import { Heap, type HeapItem } from "./heap.ts";
import { SortedKeys } from "./sorted_keys.ts";

interface Stored extends HeapItem {
  readonly key: string;
  readonly value: JsonValue;
  readonly version: string;
  readonly expiresAtMs: number;
}

/** Records by encoded key. Everything is synchronous; `now` is passed in. */
export class Records {
  readonly #byKey = new Map<string, Stored>();
  readonly #order = new SortedKeys();
  readonly #expiring = new Heap<Stored>((a, b) => a.expiresAtMs < b.expiresAtMs);
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
  set(key: string, value: JsonValue, expiresAtMs: number): string {
    const before = this.#byKey.get(key);
    if (before === undefined) this.#order.add(key);
    else if (before.expiresAtMs !== Infinity) this.#expiring.delete(before);
    const version = String(++this.#lastVersion);
    const stored: Stored = { key, value, version, expiresAtMs, heapIndex: 0 };
    this.#byKey.set(key, stored);
    if (expiresAtMs !== Infinity) this.#expiring.push(stored);
    return version;
  }

  /** Deletes a record and tells whether there was one. */
  delete(key: string): boolean {
    const stored = this.#byKey.get(key);
    if (stored === undefined) return false;
    this.#byKey.delete(key);
    this.#order.delete(key);
    if (stored.expiresAtMs !== Infinity) this.#expiring.delete(stored);
    return true;
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

function toEntry({ key, value, version, expiresAtMs }: Stored): Entry {
  const entry = { key: decodeKey(key), value: copyJson(value), version };
  return expiresAtMs === Infinity ? entry : { ...entry, expiresAtMs };
}
