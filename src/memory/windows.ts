/** Scores entries by the words in and around them: what stands beside an entry counts as parts of its own text. @module */

import { frequencyOf, placeOf } from "./postings.ts";
import { type LengthNorm, lengthNorm, saturation } from "./ranking.ts";
import { Scores } from "./scores.ts";
import type { SearchIndex } from "./search_index.ts";

// What a word counts: in the entry, beside it, and one further. In fifths, so that sums are whole numbers, the same in
// whatever order they are made. On conversations, to sum words before BM25 lets them saturate finds more than to sum the
// scores of neighbours: docs/DECISIONS.md.
const FIFTHS = 5;
const NEAR = 2;
const FAR = 1;

/** BM25 over entries as if each were its own text and parts of those around it. */
export class Windows {
  /** By place. */
  readonly scores: Scores = new Scores();
  readonly #index: SearchIndex;
  readonly #frequencies = new Scores();
  #lengths = new Uint32Array(0);
  #norm: LengthNorm = lengthNorm(0, 0);
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
    const { before, after } = this.#index.conversations;
    const frequencies = this.#frequencies;
    frequencies.reset(this.#index.limit);
    for (let index = 0; index < size; index++) {
      const posting = packed[index] ?? 0;
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
    for (const place of frequencies.places()) {
      const frequency = (frequencies.values[place] ?? 0) / FIFTHS;
      this.scores.add(place, weight * saturation(frequency, (this.#lengths[place] ?? 0) / FIFTHS, this.#norm));
    }
  }

  /** Takes the lengths of all windows, which is once after each change of the index. */
  #measure(): void {
    const { limit, size, revision, conversations: { entryLengths, before, after } } = this.#index;
    if (this.#lengths.length < limit) this.#lengths = new Uint32Array(2 * limit);
    const lengths = entryLengths.values;
    const lengthAt = (place: number) => place === 0 ? 0 : lengths[place] ?? 0;
    let total = 0;
    for (const place of this.#index.places()) {
      const [left, right] = [before.at(place), after.at(place)];
      const near = lengthAt(left) + lengthAt(right);
      const far = lengthAt(before.at(left)) + lengthAt(after.at(right));
      total += this.#lengths[place] = FIFTHS * lengthAt(place) + NEAR * near + FAR * far;
    }
    this.#norm = lengthNorm(total / FIFTHS, size);
    this.#revision = revision;
  }
}
