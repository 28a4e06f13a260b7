import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Ranker } from "../../src/memory/ranker.ts";
import { SearchIndex } from "../../src/memory/search_index.ts";
import { Analyzer } from "../../src/memory/text.ts";
import { randomFractions } from "../../src/testing/random.ts";
import { type ReferenceEntry, type ReferenceQuery, referenceSearch } from "../../src/testing/reference_search.ts";

const analyzer = new Analyzer();

function add(index: SearchIndex, { key, text, session, isImplied, order, updatedAtMs }: ReferenceEntry): void {
  index.set({
    key,
    tokens: analyzer.tokens(text),
    fields: [],
    session: session === null ? null : { name: session, isImplied },
    position: { order, sequence: 0, key },
    updatedAtMs,
    vector: null,
  });
}

function search(index: SearchIndex, query: ReferenceQuery, limit: number, vector: Float32Array | null = null) {
  const terms = new Map<string, number>();
  for (const { term } of analyzer.tokens(query.text)) terms.set(term, (terms.get(term) ?? 0) + 1);
  return new Ranker(index).rank({
    ...query,
    terms,
    prefix: analyzer.openPrefix(query.text),
    keywordWeight: 1,
    vector,
    semanticWeight: 0,
    isWanted: () => true,
    limit,
  }).map(({ place, score }) => ({ key: index.keyAt(place), score }));
}

const word = fc.constantFrom(
  "run",
  "runs",
  "running",
  "runner",
  "rain",
  "rainy",
  "train",
  "the",
  "sun",
  "suns",
  "moon",
);
const text = fc.array(word, { maxLength: 8 }).map((words) => words.join(" "));
const entry = fc.record({
  text,
  session: fc.constantFrom(null, null, "a", "b", "c"),
  isImplied: fc.boolean(),
  order: fc.integer({ min: 0, max: 1000 }),
  updatedAtMs: fc.integer({ min: 0, max: 100 }),
});

Deno.test("rank() finds what the reference finds, in its order, when given any entries, changes and queries", () => {
  fc.assert(
    fc.property(
      fc.array(entry, { maxLength: 40 }),
      fc.array(fc.tuple(fc.nat(39), fc.option(entry)), { maxLength: 30 }),
      fc.array(
        fc.record({
          text,
          context: fc.boolean(),
          neighbours: fc.constantFrom("all", "given", "none"),
          halfLifeMs: fc.constantFrom(50, Infinity),
        }),
        {
          maxLength: 5,
        },
      ),
      (first, changes, queries) => {
        const index = new SearchIndex();
        const model = new Map<string, ReferenceEntry>();
        const put = (number: number, given: (typeof first)[number] | null) => {
          const key = `k${number}`;
          if (given === null) {
            model.delete(key);
            index.delete(key);
          } else {
            // No two entries of a session have the same place, or their order is another matter.
            const full = { ...given, key, order: given.order * 100 + number };
            model.set(key, full);
            add(index, full);
          }
        };
        first.forEach((given, number) => put(number, given));
        changes.forEach(([number, given]) => put(number, given));
        for (const query of queries) {
          const asked = { ...query, nowMs: 100 };
          const expected = referenceSearch([...model.values()], asked, analyzer);
          for (const limit of [1, 5, 100]) assertSame(search(index, asked, limit), expected.slice(0, limit));
        }
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("rank() finds what the reference finds when long lists of common words are passed over", () => {
  const words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"];
  const random = randomFractions(7);
  // Each word is in half as many entries as the one before it.
  const entries = Array.from({ length: 3000 }, (_, number): ReferenceEntry => ({
    key: `k${number}`,
    text: Array.from({ length: 12 }, () => words[Math.floor(-Math.log2(1 - random() * 0.996))]).join(" "),
    session: null,
    isImplied: false,
    order: number,
    updatedAtMs: number % 100,
  }));
  const index = new SearchIndex();
  for (const each of entries) add(index, each);
  for (
    const text of ["theta alpha. ", "zeta beta alpha. ", "eta theta alpha gamma. ", "alpha. ", "alph", "delta the"]
  ) {
    const query: ReferenceQuery = { text, context: true, neighbours: "given", halfLifeMs: Infinity, nowMs: 100 };
    const expected = referenceSearch(entries, query, analyzer);
    assertSame(search(index, query, 10), expected.slice(0, 10));
    // Where there is more to it than the sum over the words, nothing is passed over.
    const mean = expected.reduce((sum, { score }) => sum + score, 0) / entries.length;
    const squares = expected.reduce((sum, { score }) => sum + (score - mean) ** 2, 0);
    const deviation = Math.sqrt((squares + (entries.length - expected.length) * mean ** 2) / entries.length);
    const found = search(index, query, 10, new Float32Array(1));
    assertSame(found.map(({ key, score }) => ({ key, score: score * deviation })), expected.slice(0, 10));
  }
  const query: ReferenceQuery = {
    text: "theta gamma. ",
    context: true,
    neighbours: "given",
    halfLifeMs: 0.5,
    nowMs: 100,
  };
  assertSame(search(index, query, 10), referenceSearch(entries, query, analyzer).slice(0, 10));
});

/** The same entries in the same order, and scores that differ in the digits that sums lose at most. */
function assertSame(
  actual: readonly { readonly key: string; readonly score: number }[],
  expected: readonly { readonly key: string; readonly score: number }[],
): void {
  assertEquals(actual.map(({ key }) => key), expected.map(({ key }) => key));
  for (const [index, { score }] of actual.entries()) {
    assertEquals(Math.abs(score - (expected[index]?.score ?? 0)) < 1e-8, true);
  }
}
