/** The shortcuts of the search by words find what is found without them. @module */

import { assert, assertAlmostEquals } from "@std/assert";
import { type KeywordQuery, KeywordScorer } from "../../src/memory/keyword_score.ts";
import { inverseFrequency, lengthNorm, saturation } from "../../src/memory/ranking.ts";
import { TABLE_FREQUENCIES, TABLE_LENGTHS } from "../../src/memory/saturation_table.ts";
import { SearchIndex } from "../../src/memory/search_index.ts";
import { Analyzer } from "../../src/memory/text.ts";
import { randomFractions } from "../../src/testing/random.ts";

const ANALYZER = new Analyzer();
const WORDS = ["alpha", "beta", "gamma", "delta", "zeta", "theta", "kappa", "sigma"];

/** Each word is written half as often as the one before it; entries are of different lengths. */
function makeIndex(count: number): SearchIndex {
  const random = randomFractions(11);
  const word = () => WORDS[Math.floor(-Math.log2(1 - random() * 0.996))];
  return indexOf(Array.from({ length: count }, (_, number) => Array.from({ length: 2 + number % 11 }, word).join(" ")));
}

function indexOf(texts: readonly string[]): SearchIndex {
  const index = new SearchIndex();
  for (const [number, text] of texts.entries()) set(index, `k${number}`, text);
  return index;
}

function set(index: SearchIndex, key: string, text: string): void {
  const position = { order: index.size, sequence: 0, key };
  index.set({ key, tokens: ANALYZER.tokens(text), fields: [], session: null, position, updatedAtMs: 0, vector: null });
}

const queryOf = (words: readonly string[]): KeywordQuery => ({
  terms: new Map(words.flatMap((word) => ANALYZER.tokens(word).map(({ term }) => [term, 1]))),
  prefix: null,
});

Deno.test("score() with a limit gives the best entries the scores that they have without, whichever are wanted", () => {
  const index = makeIndex(2000);
  const [quick, whole] = [new KeywordScorer(index), new KeywordScorer(index)];
  let shortened = 0;
  for (const [n, first] of WORDS.entries()) {
    for (const second of WORDS.slice(n + 1)) {
      const query = queryOf([first, second, WORDS[n * 3 % WORDS.length] ?? ""]);
      whole.score(query, false, null);
      const expected = [...whole.entries.places()].map((place) => ({ place, score: whole.entries.values[place] ?? 0 }))
        .sort((a, b) => b.score - a.score);
      for (const share of [1, 40]) {
        const isWanted = (place: number) => place % share === 0;
        const wanted = expected.filter(({ place }) => isWanted(place));
        for (const limit of [0, 1, 7, 60]) {
          quick.score(query, false, { limit, isWanted });
          if (quick.entries.size < whole.entries.size) shortened++;
          const least = limit === 0 ? Infinity : wanted[limit - 1]?.score ?? 0;
          for (const { place, score } of wanted) {
            const found = quick.entries.values[place] ?? 0;
            assert(found <= score + 1e-9 && (score < least || found >= score - 1e-9));
          }
        }
      }
    }
  }
  assert(shortened > 40, `${shortened} queries have looked at fewer entries`);
});

Deno.test("score() counts words as saturation() does, however often they are there and however long the text is", () => {
  const counts = [1, TABLE_FREQUENCIES - 1, TABLE_FREQUENCIES, TABLE_FREQUENCIES + 1];
  const lengths = [0, TABLE_LENGTHS - 1, TABLE_LENGTHS, TABLE_LENGTHS + 1];
  const given = counts.flatMap((count) => lengths.map((length) => ({ count, length: Math.max(count, length) })));
  const index = indexOf(given.map(({ count, length }) => "zeta ".repeat(count) + "alpha ".repeat(length - count)));
  const scorer = new KeywordScorer(index);
  scorer.score(queryOf(["zeta"]), false, null);
  const norm = lengthNorm(given.reduce((sum, { length }) => sum + length, 0), given.length);
  const weight = inverseFrequency(given.length, given.length);
  for (const [number, { count, length }] of given.entries()) {
    const expected = weight * saturation(count, length, norm);
    assertAlmostEquals(scorer.entries.values[number + 1] ?? 0, expected, 1e-12);
  }
});

Deno.test("score() with a limit goes by nothing that a former query or a deleted entry has left behind", () => {
  const texts = Array.from({ length: 2000 }, () => "alpha");
  texts[4] = "alpha zeta zeta zeta zeta"; // its place is where the former query's fifth was
  texts[99] = "alpha zeta beta gamma";
  texts[199] = "alpha zeta beta gamma delta theta kappa sigma";
  const index = indexOf(texts);
  index.delete("k1999"); // the last to hold the common word
  set(index, "new", "zeta zeta zeta");
  const [quick, whole] = [new KeywordScorer(index), new KeywordScorer(index)];
  const query = queryOf(["zeta", "alpha"]);
  whole.score(query, false, null);
  for (let limit = 1; limit <= 3; limit++) {
    quick.score(queryOf(["alpha"]), false, null); // touches the places in their order
    quick.score(query, false, { limit, isWanted: () => true });
    assert(quick.entries.size < whole.entries.size, "the common word was looked up for the candidates alone");
    const best = [...whole.entries.places()].sort((a, b) => score(whole, b) - score(whole, a)).slice(0, limit);
    for (const place of best) assertAlmostEquals(score(quick, place), score(whole, place), 1e-12);
  }
});

function score({ entries }: KeywordScorer, place: number): number {
  return entries.values[place] ?? 0;
}
