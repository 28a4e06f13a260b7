/**
 * Texts and queries like those of people, made up from a fixed seed: words by Zipf's law, function words among them.
 *
 * @module
 */

import { ENGLISH_STOP_WORDS } from "../src/memory/stop_words.ts";

const VOCABULARY = 30_000;
/** In English, nearly all of the most common words are function words, and then every second one. */
const ONLY_FUNCTION_WORDS = 40;
const QUERIES = 1000;
const SEED = 20_261;

const ONSETS = [
  "b",
  "br",
  "c",
  "ch",
  "d",
  "f",
  "g",
  "gr",
  "h",
  "l",
  "m",
  "n",
  "p",
  "pl",
  "r",
  "s",
  "st",
  "t",
  "tr",
  "v",
];
const VOWELS = ["a", "e", "i", "o", "u", "ea", "ou"];
const CODAS = ["", "", "", "l", "n", "r", "s", "t", "ck", "nd", "rm"];
const ENDINGS = ["", "", "", "s", "ed", "ing", "er", "ation", "ly", "ness", "ment", "able"];

/** Draws the same numbers from 0 to 1 for the same seed: a linear congruence and two shifts are random enough here. */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const mixed = Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) >>> 0;
    return ((mixed ^ (mixed >>> 13)) >>> 0) / 2 ** 32;
  };
}

/** So many texts of so many words. */
export function makeTexts(count: number, length = 50): string[] {
  const random = randomNumbers(SEED);
  const draw = zipf(makeVocabulary(), random);
  return Array.from({ length: count }, () => Array.from({ length }, draw).join(" "));
}

/**
 * Queries of one to four words that texts are made of, as often as there: each with a word that is no function word,
 * and half of the words beyond the first are function words in half of the queries, as in a question. Any run of four
 * has all lengths.
 */
export function makeQueries(): string[] {
  const random = randomNumbers(SEED + 1);
  const words = makeVocabulary();
  const content = zipf(words.filter((word) => !ENGLISH_STOP_WORDS.has(word)), random);
  const any = zipf(words, random);
  return Array.from({ length: QUERIES }, (_, index) => {
    const others = Array.from({ length: index % 4 }, index % 8 < 4 ? content : any);
    return [...others, content()].join(" ");
  });
}

/** Words by rank, the most common first. */
function makeVocabulary(): string[] {
  const random = randomNumbers(SEED + 2);
  const pick = (list: readonly string[]) => list[Math.floor(random() * list.length)] ?? "";
  const functionWords = [...ENGLISH_STOP_WORDS];
  const words = new Set<string>(functionWords.slice(0, ONLY_FUNCTION_WORDS));
  const left = functionWords.slice(ONLY_FUNCTION_WORDS);
  while (words.size < VOCABULARY) {
    const syllables = 1 + Math.floor(random() * 3);
    const stem = Array.from({ length: syllables }, () => pick(ONSETS) + pick(VOWELS) + pick(CODAS)).join("");
    words.add(stem + pick(ENDINGS));
    const functionWord = left.shift();
    if (functionWord !== undefined) words.add(functionWord);
  }
  return [...words];
}

/** Draws from a list, each item by one over its rank. */
function zipf(items: readonly string[], random: () => number): () => string {
  const sums = new Float64Array(items.length);
  let sum = 0;
  for (let rank = 0; rank < items.length; rank++) sums[rank] = sum += 1 / (rank + 1);
  return () => {
    const wanted = random() * sum;
    let low = 0;
    let high = items.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sums[middle] ?? 0) < wanted) low = middle + 1;
      else high = middle;
    }
    return items[low] ?? "";
  };
}
