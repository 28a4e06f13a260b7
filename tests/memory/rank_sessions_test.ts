/** The ranking of conversations, and of entries in small indexes whose order can be told by hand. @module */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { smooth } from "../../src/memory/context.ts";
import { KeywordScorer } from "../../src/memory/keyword_score.ts";
import { frequencyOf, packPosting, placeOf, Postings } from "../../src/memory/postings.ts";
import { Ranker, type RankQuery } from "../../src/memory/ranker.ts";
import { Scores } from "../../src/memory/scores.ts";
import { SearchIndex } from "../../src/memory/search_index.ts";
import { SemanticScorer } from "../../src/memory/semantic_score.ts";
import { Analyzer } from "../../src/memory/text.ts";

const analyzer = new Analyzer();

interface Given {
  readonly key: string;
  readonly text: string;
  readonly session?: string;
  readonly updatedAtMs?: number;
  readonly sequence?: number;
  readonly vector?: readonly number[];
}

function indexOf(entries: readonly Given[]): SearchIndex {
  const index = new SearchIndex();
  for (const [order, { key, text, session, updatedAtMs = 0, sequence = 0, vector }] of entries.entries()) {
    index.set({
      key,
      tokens: analyzer.tokens(text),
      fields: [],
      session: session === undefined ? null : { name: session, isImplied: false },
      position: { order, sequence, key },
      updatedAtMs,
      vector: vector ? Float32Array.from(vector) : null,
    });
  }
  return index;
}

function query(text: string, options: Partial<RankQuery> = {}): RankQuery {
  return {
    terms: new Map(analyzer.tokens(text).map(({ term }) => [term, 1])),
    prefix: null,
    keywordWeight: 1,
    vector: null,
    semanticWeight: 0,
    context: false,
    neighbours: "none",
    halfLifeMs: Infinity,
    nowMs: 0,
    isWanted: () => true,
    limit: 10,
    ...options,
  };
}

const TALKS: readonly Given[] = [
  { key: "a1", text: "cats and cats", session: "a" },
  { key: "a2", text: "a dog", session: "a" },
  { key: "b1", text: "one cat among many other animals", session: "b" },
  { key: "c1", text: "birds", session: "c" },
  { key: "alone", text: "cat", updatedAtMs: 1 },
];

Deno.test("rankSessions() gives each conversation with its best entry, which counts one and a half times beside it", () => {
  const ranker = new Ranker(indexOf(TALKS));
  const entries = new Map(ranker.rank(query("cat")).map(({ place, score }) => [place, score]));
  const sessions = ranker.rankSessions(query("cat"));
  assertEquals(sessions.map(({ place }) => place), [1, 3]);
  for (const { place, score } of sessions) assertAlmostEquals(score, 2.5 * (entries.get(place) ?? NaN), 1e-8);
  assertEquals(ranker.rankSessions(query("cat", { limit: 1 })).length, 1);
  assertEquals(ranker.rankSessions(query("birds")).map(({ place }) => place), [4]);
});

Deno.test("rankSessions() with context counts the whole conversation, and lets it fade as its best entry does", () => {
  const ranker = new Ranker(indexOf(TALKS));
  const options = { context: true, neighbours: "all" } as const;
  const entries = new Map(ranker.rank(query("cat", options)).map(({ place, score }) => [place, score]));
  const [first, second] = ranker.rankSessions(query("cat", options));
  assert(first && second && first.score > second.score);
  assert(first.score > 1.5 * (entries.get(first.place) ?? NaN));
  const faded = ranker.rankSessions(query("cat", { ...options, halfLifeMs: 100, nowMs: 100 }));
  assertAlmostEquals(faded[0]?.score ?? NaN, first.score / 2, 1e-8);
});

Deno.test("rankSessions() puts many conversations in the order of their scores, equal ones by what was written last", () => {
  const texts = ["cat cat cat", "cat and dog", "cat dog bird fish", "a cat, a dog, a bird, a fish and a horse"];
  const given = texts.flatMap((text, n) => [0, 1, 2].map((copy) => ({ text, n, copy })));
  const shuffled = given.toSorted((a, b) => (a.n * 7 + a.copy * 5) % 11 - (b.n * 7 + b.copy * 5) % 11);
  const index = indexOf(shuffled.map(({ text, n, copy }) => ({
    key: `${n}${copy}`,
    text,
    session: `${n}${copy}`,
    updatedAtMs: copy,
  })));
  const found = new Ranker(index).rankSessions(query("cat", { limit: 100 }));
  const keys = found.map(({ place }) => index.keyAt(place));
  assertEquals(keys, [0, 1, 2, 3].flatMap((n) => [2, 1, 0].map((copy) => `${n}${copy}`)));
});

Deno.test("rank() puts of equals what was written last first, then what has the later number, then the smaller key", () => {
  const same = { text: "cat" };
  const index = indexOf([
    { key: "c", ...same, updatedAtMs: 5, sequence: 2 },
    { key: "aa", ...same, updatedAtMs: 5, sequence: 1 },
    { key: "b", ...same, updatedAtMs: 5, sequence: 2 },
    { key: "a", ...same, updatedAtMs: 4.5, sequence: 9 },
  ]);
  const keys = new Ranker(index).rank(query("cat")).map(({ place }) => index.keyAt(place));
  assertEquals(keys, ["b", "c", "aa", "a"]);
  const wanted = new Ranker(index).rank(query("cat", { limit: 2, isWanted: (place) => index.keyAt(place) !== "b" }));
  assertEquals(wanted.map(({ place }) => index.keyAt(place)), ["c", "aa"]);
});

Deno.test("rank() of a query that ends with a whole word finds nothing that begins like another", () => {
  const index = indexOf([{ key: "a", text: "cat" }, { key: "b", text: "nullable" }]);
  const keys = new Ranker(index).rank(query("cat")).map(({ place }) => index.keyAt(place));
  assertEquals(keys, ["a"]);
});

Deno.test("rank() by words and by meaning weighs both, and takes either alone", () => {
  const index = indexOf([
    { key: "word", text: "cat", vector: [0, 1] },
    { key: "meaning", text: "tiger", vector: [1, 0] },
    { key: "both", text: "cat", vector: [1, 0] },
    { key: "none", text: "stone", vector: [0, 1] },
  ]);
  const order = (options: Partial<RankQuery>) =>
    new Ranker(index).rank(query("cat", { vector: Float32Array.from([1, 0]), ...options }))
      .map(({ place }) => index.keyAt(place));
  assertEquals(order({ keywordWeight: 0.6, semanticWeight: 0.4 })[0], "both");
  assertEquals(order({ keywordWeight: 1, semanticWeight: 0.01 }).slice(0, 2), ["both", "word"]);
  assertEquals(order({ keywordWeight: 0.01, semanticWeight: 1 }).slice(0, 2), ["both", "meaning"]);
  assertEquals(order({ keywordWeight: 0.6, semanticWeight: 0.4, context: true })[0], "both");
});

Deno.test("rankSessions() gives the best entry of a conversation, wherever it stands", () => {
  const texts = ["cat and dog and fish", "cat", "cat and dog"];
  for (let first = 0; first < texts.length; first++) {
    const turned = [...texts.slice(first), ...texts.slice(0, first)];
    const index = indexOf(turned.map((text) => ({ key: text, text, session: "s" })));
    const [found] = new Ranker(index).rankSessions(query("cat"));
    assertEquals(index.keyAt(found?.place ?? 0), "cat");
  }
});

Deno.test("rank() and rankSessions() in context blend what words and meaning make of entries and of conversations", () => {
  const index = indexOf([
    { key: "a1", text: "cats and cats", session: "a", vector: [1, 0] },
    { key: "a2", text: "a dog", session: "a", vector: [0.6, 0.8] },
    { key: "b1", text: "one cat among many other animals", session: "b", vector: [0, 1] },
    { key: "b2", text: "stones", session: "b", vector: [0.8, 0.6] },
    { key: "c1", text: "birds", session: "c" },
    { key: "c2", text: "a tiger", session: "c", vector: [0.96, 0.28] },
    { key: "alone", text: "cat", vector: [0.28, 0.96] },
  ]);
  const ranker = new Ranker(index);
  for (
    const [text, vector, keywordWeight, semanticWeight] of [
      ["cat", [1, 0], 0.7, 0.5],
      ["dog", [0, 1], 2, 3],
      ["cat", [0.6, 0.8], 1, 0],
    ] as const
  ) {
    const given = { vector: Float32Array.from(vector), keywordWeight, semanticWeight };
    const asked = query(text, { ...given, context: true, neighbours: "all", halfLifeMs: 100, nowMs: 50 });
    const { entries, sessions } = blended(index, asked);
    for (const [found, expected] of [[ranker.rank(asked), entries], [ranker.rankSessions(asked), sessions]] as const) {
      assertEquals(found.length, expected.size);
      for (const { place, score } of found) assertAlmostEquals(score, expected.get(place) ?? NaN, 1e-8);
    }
    const plain = ranker.rank(query(text, given));
    const { byWords, byMeaning } = parts(index, asked, false);
    for (const { place, score } of plain) {
      const words = keywordWeight * at(byWords.entries, place) / byWords.entries.deviation(index.size);
      assertAlmostEquals(score, words + semanticWeight * at(byMeaning.entries, place), 1e-8);
    }
  }
});

const at = (scores: Scores, place: number) => scores.values[place] ?? 0;

/** What words and meaning say, each by itself. */
function parts(index: SearchIndex, asked: RankQuery, withContext: boolean) {
  const [byWords, byMeaning] = [new KeywordScorer(index), new SemanticScorer(index)];
  byWords.score(asked, withContext, null);
  byMeaning.score(asked.vector ?? new Float32Array(), withContext);
  return { byWords, byMeaning };
}

/** By place: the scores of all entries, and of all conversations with their best entries. */
function blended(index: SearchIndex, asked: RankQuery) {
  const { byWords, byMeaning } = parts(index, asked, true);
  const { conversations, size, limit } = index;
  const smoothed = new Scores();
  smooth(byMeaning.entries, smoothed, conversations, limit);
  const blend = (ofWords: Scores, ofMeaning: Scores, count: number, divisor: number) => {
    const sum = new Scores();
    sum.reset(limit);
    for (let n = 0; n < limit; n++) {
      const words = asked.keywordWeight * at(ofWords, n) / ofWords.deviation(count);
      sum.add(n, words + asked.semanticWeight * at(ofMeaning, n) / divisor);
    }
    const deviation = sum.deviation(count);
    return (n: number) => at(sum, n) / deviation;
  };
  const own = blend(byWords.windows, smoothed, size, smoothed.deviation(size));
  const shared = blend(byWords.groups, byMeaning.groups, conversations.count, 1);
  const fade = (score: number) => score > 0 ? score * 2 ** -0.5 : score;
  const entries = new Map<number, number>();
  const sessions = new Map<string, [place: number, score: number]>();
  for (const place of index.places()) {
    const group = shared(conversations.groups.at(place));
    const score = fade(own(place) + 0.5 * group);
    entries.set(place, score);
    const name = conversations.sessionOf(place);
    if (name === null || score <= (entries.get(sessions.get(name)?.[0] ?? 0) ?? -Infinity)) continue;
    sessions.set(name, [place, fade(group) + 1.5 * score]);
  }
  return { entries, sessions: new Map(sessions.values()) };
}

Deno.test("Postings counts a word up to 255 times in an entry, and grows and shrinks with its entries", () => {
  const packed = [254, 255, 256, 10_000].map((frequency) => packPosting(7, frequency));
  assertEquals(packed.map((each) => [placeOf(each), frequencyOf(each)]), [[7, 254], [7, 255], [7, 255], [7, 255]]);
  const postings = new Postings();
  for (let place = 1; place <= 100; place++) postings.add(place);
  const { length } = postings.packed;
  for (let place = 1; place <= 95; place++) assertEquals(postings.delete(place), true);
  assertEquals([postings.delete(1), postings.size, postings.has(96), postings.has(95)], [false, 5, true, false]);
  assert(postings.packed.length < length);
});
