/** Scores entries by the words that they hold, and conversations by the words of all their entries. @module */

import { Best } from "./best.ts";
import { frequencyOf, indexOfPlace, packPosting, placeOf } from "./postings.ts";
import { BM25_K1, inverseFrequency, lengthNorm, PREFIX_WEIGHT, ROUNDING, saturation } from "./ranking.ts";
import { SaturationTable, TABLE_FREQUENCIES, TABLE_LENGTHS } from "./saturation_table.ts";
import { Scores } from "./scores.ts";
import type { SearchIndex } from "./search_index.ts";
import { Windows } from "./windows.ts";

// Shorter lists are read whole, and lists in which so many postings are read for each candidate that is looked up.
const MIN_SKIPPED = 1000;
const MIN_SAVING = 16;

// When more than one place in so many is found, to look at all places is faster than to sort those: 0.1 ms instead of 1
// for a quarter of 100,000.
const MAX_SORTED_SHARE = 16;

/** The words of a query. */
export interface KeywordQuery {
  /** How often each term was asked for. */
  readonly terms: ReadonlyMap<string, number>;
  /** What the query breaks off with: words that begin so count too. */
  readonly prefix: string | null;
}

/** Which entries a query is after, where only the best are asked for. */
export interface Top {
  readonly limit: number;
  readonly isWanted: (place: number) => boolean;
}

/** A term of the query, or several as one. */
interface WeightedList extends PostingList {
  readonly weight: number;
}

interface PostingList {
  readonly packed: Uint32Array;
  readonly size: number;
}

/** BM25 over entries, and over conversations as if each were one text. */
export class KeywordScorer {
  /** By place; in context, where `windows` has the scores, only which entries hold a word of the query. */
  readonly entries: Scores = new Scores();
  /** By group. */
  readonly groups: Scores = new Scores();
  readonly #windows: Windows;
  readonly #frequencies = new Scores();
  readonly #saturation = new SaturationTable();
  readonly #index: SearchIndex;

  /** Scores the entries of an index. */
  constructor(index: SearchIndex) {
    this.#index = index;
    this.#windows = new Windows(index);
  }

  /** By place: entries with what stands around them, if they were asked for. */
  get windows(): Scores {
    return this.#windows.scores;
  }

  /**
   * Scores a query; the results stand in `entries` and, if asked for, in `windows` and `groups` until the next one.
   * With `top`, only the scores of entries that can be among the best are complete.
   */
  score(query: KeywordQuery, withContext: boolean, top: Top | null): void {
    const { size, limit, totalLength, conversations } = this.#index;
    this.entries.reset(limit);
    this.groups.reset(conversations.limit);
    this.#saturation.prepare(lengthNorm(totalLength, size));
    const lists = this.#listsOf(query);
    if (top !== null) return this.#scoreTop(lists, top);
    if (withContext) this.#windows.reset();
    for (const list of lists) {
      if (!withContext) {
        this.#addToEntries(list);
        continue;
      }
      this.#markEntries(list);
      this.#windows.add(list.packed, list.size, this.#weightOf(list));
      this.#addToGroups(list);
    }
  }

  /** The postings of a query, the rarest terms first. */
  #listsOf({ terms, prefix }: KeywordQuery): WeightedList[] {
    const { words } = this.#index;
    const lists: WeightedList[] = [];
    for (const [text, weight] of terms) {
      const postings = words.get(text)?.postings;
      if (postings) lists.push({ packed: postings.packed, size: postings.size, weight });
    }
    const begun = prefix === null ? [] : [...words.beginningWith(prefix)].filter(({ text }) => !terms.has(text));
    if (begun.length > 0) lists.push({ ...this.#union(begun.map(({ postings }) => postings)), weight: PREFIX_WEIGHT });
    return lists.sort((a, b) => a.size - b.size);
  }

  /**
   * A common word tells little. Once no entry that holds only the common words which are left can be among the best,
   * the long lists of these are looked into for the candidates alone: H. Turtle and J. Flood, "Query evaluation"
   * (1995).
   */
  #scoreTop(lists: readonly WeightedList[], { limit, isWanted }: Top): void {
    const { entries } = this;
    for (const [index, list] of lists.entries()) {
      if (entries.size >= limit && list.size > MIN_SKIPPED) {
        const rest = lists.slice(index);
        const bound = rest.reduce((sum, each) => sum + this.#weightOf(each) * (BM25_K1 + 1), 0);
        const needed = leastOfBest(entries, limit, isWanted) - ROUNDING;
        if (bound < needed) {
          const candidates = atLeast(entries, needed - bound);
          if (candidates.length < list.size / MIN_SAVING) return this.#complete(candidates, rest);
        }
      }
      this.#addToEntries(list);
    }
  }

  /** Adds what candidates get from lists, looking up each of them. */
  #complete(candidates: Uint32Array, lists: readonly WeightedList[]): void {
    const { values } = this.entries;
    const { entryLengths } = this.#index.conversations;
    for (const list of lists) {
      const weight = this.#weightOf(list);
      for (const place of candidates) {
        const frequency = frequencyAt(list, place);
        if (frequency === 0) continue;
        values[place] = (values[place] ?? 0) + weight * this.#saturation.of(frequency, entryLengths.at(place));
      }
    }
  }

  #weightOf({ weight, size }: WeightedList): number {
    return weight * inverseFrequency(this.#index.size, size);
  }

  #markEntries({ packed, size }: PostingList): void {
    const { entries } = this;
    const { values, touched } = entries;
    for (let index = 0; index < size; index++) {
      const place = placeOf(packed[index] ?? 0);
      if (values[place] !== 0) continue;
      values[place] = 1;
      touched[entries.size++] = place;
    }
  }

  #addToEntries(list: WeightedList): void {
    addScores(
      this.entries,
      list,
      this.#weightOf(list),
      this.#index.conversations.entryLengths.values,
      this.#saturation,
    );
  }

  #addToGroups(list: WeightedList): void {
    const { totalLength, conversations } = this.#index;
    const frequencies = this.#frequencies;
    frequencies.reset(conversations.limit);
    addFrequencies(frequencies, list, conversations.groups.values);
    const norm = lengthNorm(totalLength, conversations.count);
    const weight = list.weight * inverseFrequency(conversations.count, frequencies.size);
    for (const group of frequencies.places()) {
      const frequency = frequencies.values[group] ?? 0;
      this.groups.add(group, weight * saturation(frequency, conversations.groupLengths.at(group), norm));
    }
  }

  /** Several terms as if they were one. */
  #union(lists: readonly PostingList[]): PostingList {
    const { limit } = this.#index;
    const frequencies = this.#frequencies;
    frequencies.reset(limit);
    for (const { packed, size } of lists) {
      for (let index = 0; index < size; index++) {
        const posting = packed[index] ?? 0;
        frequencies.add(placeOf(posting), frequencyOf(posting));
      }
    }
    const { values, size } = frequencies;
    const places = size > limit / MAX_SORTED_SHARE ? placesInOrder(values, size) : frequencies.places().toSorted();
    return { packed: places.map((place) => packPosting(place, values[place] ?? 0)), size };
  }
}

/** The `size` places whose numbers are not zero, in order. */
function placesInOrder(values: Float64Array, size: number): Uint32Array {
  const places = new Uint32Array(size);
  for (let place = 0, index = 0; index < size && place < values.length; place++) {
    if (values[place] !== 0) places[index++] = place;
  }
  return places;
}

/** The score of the last of the `limit` best wanted entries; 0 when they are fewer. */
function leastOfBest({ values, touched, size }: Scores, limit: number, isWanted: (place: number) => boolean): number {
  const best = new Best<number>(limit, (a, b) => a > b);
  let least = 0;
  for (let index = 0; index < size; index++) {
    const place = touched[index] ?? 0;
    const score = values[place] ?? 0;
    if (score <= least || !isWanted(place)) continue;
    best.add(score);
    least = best.worst ?? 0;
  }
  return least;
}

/** The places with at least this score. */
function atLeast({ values, touched, size }: Scores, score: number): Uint32Array {
  const places = new Uint32Array(size);
  let count = 0;
  for (let index = 0; index < size; index++) {
    const place = touched[index] ?? 0;
    if ((values[place] ?? 0) >= score) places[count++] = place;
  }
  return places.subarray(0, count);
}

/** How often an entry holds the term of a list: 0 when it does not. */
function frequencyAt({ packed, size }: PostingList, place: number): number {
  const index = indexOfPlace(packed, size, place);
  const posting = packed[index] ?? 0;
  return index < size && placeOf(posting) === place ? frequencyOf(posting) : 0;
}

/** The loop that most of a query's time goes to. */
function addScores(
  scores: Scores,
  { packed, size }: PostingList,
  weight: number,
  lengths: Uint32Array,
  saturations: SaturationTable,
): void {
  const { values, touched } = scores;
  const { table } = saturations;
  let count = scores.size;
  for (let index = 0; index < size; index++) {
    const posting = packed[index] ?? 0;
    const place = placeOf(posting);
    const frequency = frequencyOf(posting);
    const length = lengths[place] ?? 0;
    const share = frequency < TABLE_FREQUENCIES && length < TABLE_LENGTHS
      ? table[length * TABLE_FREQUENCIES + frequency] ?? 0
      : saturations.of(frequency, length);
    const before = values[place] ?? 0;
    if (before === 0) touched[count++] = place;
    values[place] = before + weight * share;
  }
  scores.size = count;
}

/** Adds the frequencies of a list by group. */
function addFrequencies(frequencies: Scores, { packed, size }: PostingList, groups: Uint32Array): void {
  const { values, touched } = frequencies;
  let count = frequencies.size;
  for (let index = 0; index < size; index++) {
    const posting = packed[index] ?? 0;
    const group = groups[placeOf(posting)] ?? 0;
    const before = values[group] ?? 0;
    if (before === 0) touched[count++] = group;
    values[group] = before + frequencyOf(posting);
  }
  frequencies.size = count;
}
