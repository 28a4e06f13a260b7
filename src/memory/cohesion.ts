/** Tells conversations from collections: by how alike neighbours are. @module */

/**
 * How much the neighbours among some entries have in common. Whole numbers, the same in whatever order they are summed.
 */
export interface Cohesion {
  /** How many entries stand behind another one. */
  readonly pairs: number;
  /** How many terms they share with that. */
  readonly shared: number;
  /** A thousand times how many they share in a conversation, at the least. */
  readonly needed: number;
}

/** Of what has no neighbours, or needs no judgement. */
export const NO_COHESION: Cohesion = { pairs: 0, shared: 0, needed: 0 };

/** A session with fewer pairs is judged with others. */
export const ENOUGH_PAIRS = 100;

// Turns of a conversation share 2.5 to 3.4 times as many terms with their neighbours as with any other turn (LoCoMo),
// texts in no order 0.9 to 1.4 times as many (Cranfield, cut short). Where turns are few, most others are near: of
// five, 1.4 times as many, of ten 2.2, and the texts in no order 1.0.
function leastLikeness(count: number): number {
  return 1.8 - 3.2 / Math.max(5, count);
}

// So many shared terms short of that may be chance. With them, none of LoCoMo's conversations counts as loose from ten
// turns on, and of texts in no order (NPL, LISA) do 67 to 78 % of twenty and 99 % of forty.
const BY_LUCK = 5;

// Turns of a few words stand between those that speak of something, as in meetings ("Yeah, mm-hmm"), and share nothing.
const FEWEST_TERMS = 4;

// What more of the entries hold tells nothing of their order: a speaker's name, what all of it is about.
const COMMON = 0.2;

/** How much entries have in common with the ones before them, given the terms of each; those of few terms aside. */
export function cohesionOf<Term>(all: readonly (readonly Term[])[]): Cohesion {
  const entries = all.filter((terms) => terms.length >= FEWEST_TERMS);
  if (entries.length < 2) return NO_COHESION;
  const found = new Map<Term, { holders: number; newest: number; neighbours: number }>();
  for (const [index, terms] of entries.entries()) {
    for (const term of terms) {
      const seen = found.get(term);
      if (seen === undefined) {
        found.set(term, { holders: 1, newest: index, neighbours: 0 });
      } else if (seen.newest !== index) {
        seen.holders++;
        if (seen.newest === index - 1) seen.neighbours++;
        seen.newest = index;
      }
    }
  }
  const most = Math.max(2, COMMON * entries.length);
  let [shared, ordered] = [0, 0];
  for (const { holders, neighbours } of found.values()) {
    if (holders > most) continue;
    shared += neighbours;
    ordered += holders * (holders - 1);
  }
  const byChance = ordered / entries.length; // how many they would share in any order on average
  return { pairs: entries.length - 1, shared, needed: Math.round(1000 * leastLikeness(entries.length) * byChance) };
}

/** The sum of two, or what is left of the first without the second. */
export function plus(a: Cohesion, b: Cohesion, sign: 1 | -1): Cohesion {
  return {
    pairs: a.pairs + sign * b.pairs,
    shared: a.shared + sign * b.shared,
    needed: a.needed + sign * b.needed,
  };
}

/** Whether the order of entries means nothing. Few of them do not tell. */
export function isLoose({ shared, needed }: Cohesion): boolean {
  return 1000 * (shared + BY_LUCK) < needed;
}
