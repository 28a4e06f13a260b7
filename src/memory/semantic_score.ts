/** Scores entries by meaning: how near their vectors are to that of the query, as z-scores. @module */

import { Scores } from "./scores.ts";
import type { SearchIndex } from "./search_index.ts";

/** Cosines, less their mean, over their standard deviation; and the same of the mean cosines of conversations. */
export class SemanticScorer {
  /** By place; entries without a vector are left out. */
  readonly entries: Scores = new Scores();
  /** By group. */
  readonly groups: Scores = new Scores();
  readonly #members = new Scores();
  readonly #index: SearchIndex;

  /** Scores the entries of an index. */
  constructor(index: SearchIndex) {
    this.#index = index;
  }

  /** Scores a vector of length 1; the results stand in `entries` and, if asked for, in `groups` until the next one. */
  score(vector: Float32Array, withGroups: boolean): void {
    const { limit, conversations } = this.#index;
    this.entries.reset(limit);
    this.groups.reset(conversations.limit);
    this.#members.reset(conversations.limit);
    for (const place of this.#index.places()) {
      const other = this.#index.vectorAt(place);
      if (other === null) continue;
      const cosine = dotProduct(vector, other);
      this.entries.add(place, cosine);
      if (!withGroups) continue;
      this.groups.add(conversations.groups.at(place), cosine);
      this.#members.add(conversations.groups.at(place), 1);
    }
    for (const group of this.groups.places()) {
      this.groups.values[group] = (this.groups.values[group] ?? 0) / (this.#members.values[group] ?? 1);
    }
    this.entries.standardise();
    this.groups.standardise();
  }
}

/** The cosine of two vectors of length 1. */
function dotProduct(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += (a[index] ?? 0) * (b[index] ?? 0);
  return sum;
}
