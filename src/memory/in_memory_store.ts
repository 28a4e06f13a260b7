/** A bounded store in this process: the entry that was not used for longest goes first. @module */

import { type OptionNames, requireNumber, requireOptions, requireString } from "../check.ts";
import { ValueTooLargeError } from "../errors.ts";
import { copyJson, type JsonObject, type JsonValue } from "../storage/json.ts";
import { utf8Length } from "../storage/key.ts";
import type { SearchHit } from "./model.ts";
import { RecencyList } from "./recency_list.ts";
import { containsText } from "./substring.ts";

/** How large an {@linkcode InMemoryStore} may become. */
export interface InMemoryStoreOptions {
  /** At most so many entries, up to 2^24. @default {1000} */
  readonly maxSize?: number;
  /** At most so many bytes: keys and values as JSON text in UTF-8. @default {Infinity} */
  readonly maxBytes?: number;
}

const OPTIONS: OptionNames<InMemoryStoreOptions> = { maxSize: true, maxBytes: true };

/**
 * Keeps the entries that were used last, synchronously and with no setup. Adding and getting count as use; everything
 * but `search`, `keys` and `clear` takes constant time. Values are copied on the way in and on the way out.
 *
 * @example
 * ```ts
 * import { InMemoryStore } from "@tta/agent-coordination";
 *
 * const store = new InMemoryStore({ maxSize: 2 });
 * store.add("a", { text: "asked about the weather" });
 * store.add("b", { text: "asked about trains" });
 * store.get("a"); // now "b" was not used for longest
 * store.add("c", { text: "asked about hotels" });
 * console.log(store.keys(), store.search("WEATHER")[0]?.key); // ["a", "c"] a
 * ```
 */
export class InMemoryStore {
  /** How many entries there may be at most. */
  readonly maxSize: number;
  readonly #maxBytes: number;
  readonly #places = new Map<string, number>();
  readonly #recency = new RecencyList();
  // By place in the list.
  readonly #keys: string[] = [];
  readonly #values: JsonValue[] = [];
  readonly #isFlat: boolean[] = [];
  readonly #bytes: number[] = [];
  #totalBytes = 0;

  /**
   * Makes an empty store.
   *
   * @throws {TypeError | RangeError} When a bound is none.
   */
  constructor(options: InMemoryStoreOptions = {}) {
    requireOptions("InMemoryStore", options, OPTIONS);
    const { maxSize = 1000, maxBytes = Infinity } = options;
    this.maxSize = requireNumber("maxSize", maxSize, { min: 1, max: 2 ** 24, integer: true });
    this.#maxBytes = requireNumber("maxBytes", maxBytes, { min: 1, max: Infinity });
  }

  /**
   * Stores a value, replacing the one with this key. What was not used for longest makes room for it.
   *
   * @throws {TypeError} When the key is no string, or JSON cannot carry the value.
   * @throws {ValueTooLargeError} When key and value alone are larger than `maxBytes`.
   */
  add(key: string, value: JsonValue): void {
    requireString("key", key, 0, Infinity);
    const flat = copyFlat(value);
    const copy = flat ?? (typeof value === "string" ? value : copyJson(value));
    const bytes = this.#measure(key, copy);
    const known = this.#places.get(key);
    const place = known ?? this.#newPlace(key);
    if (known !== undefined) this.#recency.touch(place);
    this.#values[place] = copy;
    this.#isFlat[place] = flat !== undefined;
    if (bytes === 0) return;
    this.#totalBytes += bytes - (known === undefined ? 0 : this.#bytes[place] ?? 0);
    this.#bytes[place] = bytes;
    while (this.#totalBytes > this.#maxBytes) this.#evict();
  }

  /**
   * A copy of the value with this key.
   *
   * @throws {TypeError} When the key is no string.
   */
  get(key: string): JsonValue | undefined {
    const place = this.#places.get(key);
    if (place === undefined) {
      requireString("key", key, 0, Infinity); // one that is there is a string
      return undefined;
    }
    this.#recency.touch(place);
    const value = this.#values[place];
    return typeof value === "string" ? value : this.#copyAt(place); // a call for nothing would take a twentieth of it
  }

  /**
   * Deletes an entry and tells whether there was one.
   *
   * @throws {TypeError} When the key is no string.
   */
  delete(key: string): boolean {
    const place = this.#places.get(key);
    if (place === undefined) {
      requireString("key", key, 0, Infinity);
      return false;
    }
    this.#remove(key, place);
    return true;
  }

  /**
   * The entries whose values hold this text, case aside, the most recently used first: in their strings, numbers,
   * booleans and names of fields. An empty text finds nothing.
   *
   * @throws {TypeError | RangeError} When the query is no string, or `limit` no number of results.
   */
  search(query: string, options: { readonly limit?: number } = {}): SearchHit[] {
    requireOptions("search()", options, { limit: true });
    const { limit = 5 } = options;
    requireString("query", query, 0, Infinity);
    requireNumber("limit", limit, { min: 0, max: Infinity, integer: true });
    const hits: SearchHit[] = [];
    if (query === "") return hits;
    const matches = containsText(query);
    for (const place of this.#recency.newestFirst()) {
      if (hits.length >= limit) break;
      if (!matches(this.#values[place] ?? null)) continue;
      hits.push({ key: this.#keys[place] ?? "", value: this.#copyAt(place), score: 1, matched: [query] });
    }
    return hits;
  }

  /** Deletes everything. */
  clear(): void {
    for (const [key, place] of this.#places) this.#remove(key, place);
  }

  /** How many entries there are. */
  size(): number {
    return this.#places.size;
  }

  /** All keys, the most recently used last. */
  keys(): string[] {
    return Array.from(this.#recency.newestFirst(), (place) => this.#keys[place] ?? "").reverse();
  }

  #copyAt(place: number): JsonValue {
    const value = this.#values[place] ?? null;
    if (typeof value !== "object" || value === null) return value;
    // What was checked on the way in and holds no inner objects is copied in one step: 20 ns instead of 100.
    return this.#isFlat[place] ? { ...value } : copyJson(value);
  }

  #measure(key: string, value: JsonValue): number {
    if (this.#maxBytes === Infinity) return 0;
    const bytes = utf8Length(key) + utf8Length(JSON.stringify(value));
    if (bytes > this.#maxBytes) throw new ValueTooLargeError(bytes, this.#maxBytes);
    return bytes;
  }

  /** A place for a new key; where the store is full, that of the entry which has to go. */
  #newPlace(key: string): number {
    const place = this.#places.size < this.maxSize ? this.#recency.add() : this.#reuseOldest();
    this.#places.set(key, place);
    this.#keys[place] = key;
    return place;
  }

  #reuseOldest(): number {
    const place = this.#recency.oldest;
    this.#places.delete(this.#keys[place] ?? "");
    this.#totalBytes -= this.#bytes[place] ?? 0;
    this.#recency.touch(place);
    return place;
  }

  #evict(): void {
    const place = this.#recency.oldest;
    this.#remove(this.#keys[place] ?? "", place);
  }

  #remove(key: string, place: number): void {
    this.#places.delete(key);
    this.#recency.delete(place);
    this.#totalBytes -= this.#bytes[place] ?? 0;
    this.#values[place] = null;
  }
}

/** A checked copy of an object without objects inside, in half the time that any value takes; else `undefined`. */
function copyFlat(value: JsonValue): JsonObject | undefined {
  if (typeof value === "string" || !isObject(value)) return undefined;
  const copy: JsonObject = { ...value };
  for (const name in copy) {
    const each = copy[name];
    if (typeof each === "string" || typeof each === "boolean" || each === null) continue;
    if (!Number.isFinite(each) || Object.is(each, -0)) return undefined;
  }
  return copy;
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
