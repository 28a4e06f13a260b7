/** Scores entries by the words in and around them: what stands beside an entry counts as its own text. @module */

import { frequencyOf, placeOf } from "./postings.ts";
import { BM25_K1, lengthNorm } from "./ranking.ts";
import { Scores } from "./scores.ts";
import type { SearchIndex } from "./search_index.ts";

// What a word counts: in the entry, beside it, and one further. In fifths, so that sums are whole numbers, the same in
// whatever order they are made. On conversations, to sum words before BM25 lets them saturate finds more than to sum
// the scores of neighbours: docs/DECISIONS.md.
const FIFTHS = 5;
const NEAR = 2;
const FAR = 1;

/** BM25 over entries as if each were its own text and parts of those around it. */
export class Windows {
  /** By place. */
  readonly scores: Scores = new Scores();
  readonly #index: SearchIndex;
  readonly #frequencies = new Scores();
  /** How often each place holds a term, zero between two terms. */
  #held = new Uint8Array(0);
  /** What the length of each window takes from a frequency, by place. */
  #norms = new Float64Array(0);
  #revision = -1;

  /** Scores the entries of an index. */
  constructor(index: SearchIndex) {
    this.#index = index;
  }

  /** Begins a query. */
  reset(): void {
    this.scores.reset(this.#index.limit);
    if (this.#revision !== this.#index.revision) this.#measure();
  }

  /** Adds what a term counts, given its postings and what it is worth. */
  add(packed: Uint32Array, size: number, weight: number): void {
    const postings = packed.subarray(0, size);
    const most = weight * (BM25_K1 + 1);
    // Either way gives the same. To look at every place is faster when many of them hold the term, or stand beside one.
    if (size > this.#index.limit / 16) this.#gather(postings, most);
    else this.#spread(postings, most);
  }

  #gather(postings: Uint32Array, most: number): void {
    const { limit, conversations: { before, after } } = this.#index;
    if (this.#held.length < limit) this.#held = new Uint8Array(2 * limit);
    const held = this.#held;
    for (const posting of postings) held[placeOf(posting)] = frequencyOf(posting);
    const [left, right] = [before.values, after.values];
    for (let place = 1; place < limit; place++) {
      // Place 0 holds nothing, so that it can stand for those which are not there.
      const [near, next] = [left[place] ?? 0, right[place] ?? 0];
      const beside = (held[near] ?? 0) + (held[next] ?? 0);
      const further = (held[left[near] ?? 0] ?? 0) + (held[right[next] ?? 0] ?? 0);
      const frequency = FIFTHS * (held[place] ?? 0) + NEAR * beside + FAR * further;
      if (frequency !== 0) this.#addScore(place, frequency, most);
    }
    for (const posting of postings) held[placeOf(posting)] = 0;
  }

  #spread(postings: Uint32Array, most: number): void {
    const { limit, conversations: { before, after } } = this.#index;
    const frequencies = this.#frequencies;
    frequencies.reset(limit);
    for (const posting of postings) {
      const place = placeOf(posting);
      const frequency = frequencyOf(posting);
      frequencies.add(place, FIFTHS * frequency);
      for (const side of [before.values, after.values]) {
        const near = side[place] ?? 0;
        if (near === 0) continue;
        frequencies.add(near, NEAR * frequency);
        const far = side[near] ?? 0;
        if (far !== 0) frequencies.add(far, FAR * frequency);
      }
    }
    for (const place of frequencies.places()) this.#addScore(place, frequencies.values[place] ?? 0, most);
  }

  /** Adds what a frequency counts: BM25 with frequency and length in fifths. */
  #addScore(place: number, frequency: number, most: number): void {
    const { values, touched } = this.scores;
    const before = values[place] ?? 0;
    if (before === 0) touched[this.scores.size++] = place;
    values[place] = before + most * frequency / (frequency + (this.#norms[place] ?? 0));
  }

  /** Takes the lengths of all windows, which is once after each change of the index. */
  #measure(): void {
    const { limit, size, revision, conversations: { entryLengths, before, after } } = this.#index;
    if (this.#norms.length < limit) this.#norms = new Float64Array(2 * limit);
    const lengths = entryLengths.values;
    const lengthAt = (place: number) => place === 0 ? 0 : lengths[place] ?? 0;
    let total = 0;
    for (const place of this.#index.places()) {
      const [left, right] = [before.at(place), after.at(place)];
      const near = lengthAt(left) + lengthAt(right);
      const far = lengthAt(before.at(left)) + lengthAt(after.at(right));
      total += this.#norms[place] = FIFTHS * lengthAt(place) + NEAR * near + FAR * far;
    }
    const { fixed, perTerm } = lengthNorm(total / FIFTHS, size);
    for (const place of this.#index.places()) {
      this.#norms[place] = FIFTHS * fixed + perTerm * (this.#norms[place] ?? 0);
    }
    this.#revision = revision;
  }
}
