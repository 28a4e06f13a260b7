/** How entries are scored: BM25, and the context of a conversation. Pure, the same on every backend. @module */

/**
 * How much repeating a word counts: S. E. Robertson and H. Zaragoza, "The Probabilistic Relevance Framework" (2009).
 */
export const BM25_K1 = 1.2;

/** How much the length of a text counts, from 0 to 1. */
export const BM25_B = 0.75;

/** What the meaning of each of the entries beside one in a conversation adds to its own, by their distance. */
export const NEIGHBOUR_WEIGHTS = [0.4, 0.2] as const;

/** What the score of a whole conversation adds to those of its entries. */
export const SESSION_WEIGHT = 0.5;

/** What the score of its best entry adds to that of a whole conversation. */
export const BEST_ENTRY_WEIGHT = 1.5;

/** What the unfinished last word of a query counts, where it begins other words. */
export const PREFIX_WEIGHT = 0.5;

/** A frequency above this one counts as this one: it fits a byte, and BM25 has long stopped growing there. */
export const MAX_FREQUENCY = 255;

/** How much a word tells that is in `holders` of `total` texts. Never below zero. */
export function inverseFrequency(total: number, holders: number): number {
  return Math.log(1 + (total - holders + 0.5) / (holders + 0.5));
}

/** The parts of BM25 that are the same for all texts of a collection. */
export interface LengthNorm {
  readonly fixed: number;
  readonly perTerm: number;
}

/** What lengths count in a collection of `count` texts with `totalLength` terms. */
export function lengthNorm(totalLength: number, count: number): LengthNorm {
  return {
    fixed: BM25_K1 * (1 - BM25_B),
    perTerm: totalLength === 0 ? 0 : (BM25_K1 * BM25_B * count) / totalLength,
  };
}

/** What `frequency` occurrences in a text of `length` terms count, from 0 to `BM25_K1 + 1`. */
export function saturation(frequency: number, length: number, { fixed, perTerm }: LengthNorm): number {
  return (frequency * (BM25_K1 + 1)) / (frequency + fixed + perTerm * length);
}

/**
 * The standard deviation of `count` numbers by the sum of their squared differences from their mean; 1 where they are
 * all alike, so that it can be divided by. Dividing by it is what a z-score does, up to a number that is the same for
 * all.
 */
export function deviation(squaredDifferences: number, count: number): number {
  const variance = squaredDifferences / count;
  return variance > 1e-12 ? Math.sqrt(variance) : 1;
}

/** What is left of a score after `ageMs`: half for each half-life. */
export function decayed(score: number, ageMs: number, halfLifeMs: number): number {
  return score > 0 ? score * 2 ** (-Math.max(0, ageMs) / halfLifeMs) : score;
}

/** Scores that differ by less than this count as equal. */
export const ROUNDING = 1e-9;

/** A score without the last digits, in which sums depend on the order of what was summed: they must not decide. */
export function rounded(score: number): number {
  return Math.round(score * 1e9) / 1e9;
}
