/** What is known of every entry of a memory, for ranking: terms, conversations, fields, times, vectors. @module */

import { cohesionOf } from "./cohesion.ts";
import { Conversations, type Position, type SessionName } from "./conversations.ts";
import { type Form, Lexicon } from "./lexicon.ts";
import { MAX_PLACES } from "./postings.ts";
import type { Token } from "./text.ts";

/** An entry as it is indexed. */
export interface IndexedEntry {
  readonly key: string;
  /** Its words, repeated as they are in the text. */
  readonly tokens: readonly Token[];
  /** What filters on fields look for. */
  readonly fields: readonly Token[];
  readonly session: SessionName | null;
  readonly position: Position;
  /** When it was written, in milliseconds since the Unix epoch. */
  readonly updatedAtMs: number;
  /** Of length 1; `null` where there is no embedder. */
  readonly vector: Float32Array | null;
}

/** Entries by their place, a small number from 1 on that is used again when its entry is gone. */
export class SearchIndex {
  /** The terms of the texts. */
  readonly words: Lexicon = new Lexicon();
  /** The values of fields. */
  readonly fields: Lexicon = new Lexicon();
  /** Who belongs together. */
  readonly conversations: Conversations = new Conversations((places) =>
    // deno-coverage-ignore -- the compiler asks for it: who is in a conversation has words
    cohesionOf(places.map((place) => this.#words[place]?.map(({ term }) => term) ?? []))
  );
  readonly #places = new Map<string, number>();
  readonly #freePlaces: number[] = [];
  // By place.
  readonly #keys: (string | undefined)[] = [undefined];
  readonly #words: (readonly Form[])[] = [];
  readonly #fields: (readonly Form[])[] = [];
  readonly #vectors: (Float32Array | null)[] = [];
  readonly #updatedAtMs: number[] = [];
  readonly #sequences: number[] = [];
  #totalLength = 0;
  #revision = 0;

  /** Another number after each change. */
  get revision(): number {
    return this.#revision;
  }

  /** How many entries there are. */
  get size(): number {
    return this.#places.size;
  }

  /** All places are smaller. */
  get limit(): number {
    return this.#keys.length;
  }

  /** How many terms all entries have together. */
  get totalLength(): number {
    return this.#totalLength;
  }

  /** The places of all entries. */
  places(): IterableIterator<number> {
    return this.#places.values();
  }

  /** The key of the entry at a place. */
  keyAt(place: number): string {
    return this.#keys[place] ?? "";
  }

  /** When the entry at a place was written. */
  updatedAtMs(place: number): number {
    return this.#updatedAtMs[place] ?? 0;
  }

  /** Tells apart what was written in the same millisecond. */
  sequenceAt(place: number): number {
    return this.#sequences[place] ?? 0;
  }

  /** The vector of the entry at a place. */
  vectorAt(place: number): Float32Array | null {
    return this.#vectors[place] ?? null;
  }

  /** Adds an entry, replacing the one with this key. */
  set(entry: IndexedEntry): void {
    this.delete(entry.key);
    const place = this.#freePlaces.pop() ?? this.#keys.length;
    // deno-coverage-ignore-start -- it takes sixteen million entries
    if (place >= MAX_PLACES) {
      throw new RangeError(`Cannot search the memory: it has more than ${MAX_PLACES} entries`);
    }
    // deno-coverage-ignore-stop
    this.#places.set(entry.key, place);
    this.#keys[place] = entry.key;
    this.#words[place] = this.words.add(place, entry.tokens);
    this.#fields[place] = this.fields.add(place, entry.fields);
    this.#vectors[place] = entry.vector;
    this.#updatedAtMs[place] = entry.updatedAtMs;
    this.#sequences[place] = entry.position.sequence;
    this.conversations.add(place, entry.session, entry.position, entry.tokens.length);
    this.#totalLength += entry.tokens.length;
    this.#revision++;
  }

  /** Removes an entry, if it is there. */
  delete(key: string): void {
    const place = this.#places.get(key);
    if (place === undefined) return;
    this.#totalLength -= this.conversations.entryLengths.at(place);
    this.words.remove(place, this.#words[place] ?? []);
    this.fields.remove(place, this.#fields[place] ?? []);
    this.conversations.delete(place);
    this.#places.delete(key);
    this.#keys[place] = undefined;
    this.#words[place] = [];
    this.#fields[place] = [];
    this.#vectors[place] = null;
    this.#freePlaces.push(place);
    this.#revision++;
  }
}
