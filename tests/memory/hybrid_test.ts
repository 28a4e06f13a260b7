/** Search by meaning, and by words and meaning, held to weighted sums of z-scores that are computed by brute force. @module */

import { assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { MemoryPrimitive } from "../../presets/memory_primitive.ts";
import type { Embedder } from "../../src/memory/model.ts";
import { Analyzer } from "../../src/memory/text.ts";
import { referenceSearch } from "../../src/testing/reference_search.ts";

const WORDS = ["heron", "otter", "rain", "river", "boat", "reed"];

/** Three dimensions that have little to do with words, so that both ways of searching disagree. */
const embedder: Embedder = {
  dimensions: 3,
  embed: (texts) => texts.map((text) => [text.length % 7 + 1, text.split("e").length, text.charCodeAt(0) % 5]),
};

async function unitVector(text: string): Promise<readonly number[]> {
  const [vector = []] = await embedder.embed([text], new AbortController().signal);
  const numbers = Array.from(vector);
  const length = Math.sqrt(numbers.reduce((sum, each) => sum + each ** 2, 0));
  return numbers.map((each) => each / length);
}

function statistics(numbers: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const mean = numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
  const variance = numbers.reduce((sum, each) => sum + (each - mean) ** 2, 0) / numbers.length;
  return { mean, deviation: variance > 1e-12 ? Math.sqrt(variance) : 1 };
}

/** What each text scores: the weighted z-scores of BM25, without its mean, which is the same for all, and of the cosine. */
async function expectedScores(texts: readonly string[], query: string, weights: { keyword: number; semantic: number }) {
  const entries = texts.map((text, n) => ({
    key: `${n}`,
    text,
    session: null,
    isImplied: false,
    order: n,
    updatedAtMs: 0,
  }));
  const options = { text: query, context: false, neighbours: "none", halfLifeMs: Infinity, nowMs: 0 } as const;
  const byWords = new Map(referenceSearch(entries, options, new Analyzer()).map(({ key, score }) => [key, score]));
  const asked = await unitVector(query);
  const cosines = await Promise.all(texts.map(async (text) => {
    const vector = await unitVector(text);
    return vector.reduce((sum, each, n) => sum + each * (asked[n] ?? 0), 0);
  }));
  const { deviation } = statistics(texts.map((_, n) => byWords.get(`${n}`) ?? 0));
  const ofCosines = statistics(cosines);
  return cosines.map((cosine, n) =>
    weights.keyword * (byWords.get(`${n}`) ?? 0) / deviation +
    weights.semantic * (cosine - ofCosines.mean) / ofCosines.deviation
  );
}

Deno.test("search() by words and meaning ranks by the weighted sum of their z-scores, whatever the texts", async () => {
  const text = fc.array(fc.constantFrom(...WORDS), { minLength: 1, maxLength: 6 }).map((words) => words.join(" "));
  const weight = fc.constantFrom(0, 0.4, 1);
  await fc.assert(
    fc.asyncProperty(
      fc.array(text, { minLength: 2, maxLength: 12 }),
      text,
      weight,
      weight,
      fc.constantFrom("hybrid", "semantic"),
      async (texts, query, keyword, semantic, mode) => {
        await using memory = new MemoryPrimitive({ embedder });
        await memory.addMany(texts.map((text, n) => ({ key: `${n}`, value: text })));
        const weights = { keyword, semantic };
        const effective = mode === "semantic" ? { keyword: 0, semantic } : weights;
        const expected = await expectedScores(texts, `${query}.`, effective);
        const hits = await memory.search(`${query}.`, { mode, weights, limit: 20 });
        assertEquals(hits.length, texts.length, "all entries have a meaning");
        for (const [n, { key, score }] of hits.entries()) {
          // Vectors are kept in 32 bits.
          assertAlmostEquals(score, expected[Number(key)] ?? NaN, 1e-4);
          assertEquals(score <= (hits[n - 1]?.score ?? Infinity), true);
        }
      },
    ),
    { numRuns: 100 },
  );
});
