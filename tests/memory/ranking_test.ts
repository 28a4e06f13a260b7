/** The formulas of the ranking, by numbers that were computed by hand, and what they are kept and summed in. @module */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Best } from "../../src/memory/best.ts";
import { smooth } from "../../src/memory/context.ts";
import { Conversations } from "../../src/memory/conversations.ts";
import { decayed, deviation, inverseFrequency, lengthNorm, rounded, saturation } from "../../src/memory/ranking.ts";
import { Scores } from "../../src/memory/scores.ts";

Deno.test("inverseFrequency() is that of BM25: log(1 + (N - n + 0.5) / (n + 0.5)), never below zero", () => {
  assertAlmostEquals(inverseFrequency(10, 2), Math.log(1 + 8.5 / 2.5));
  assertAlmostEquals(inverseFrequency(1, 1), Math.log(1 + 0.5 / 1.5));
  for (let holders = 0; holders <= 100; holders++) assert(inverseFrequency(100, holders) > 0);
});

Deno.test("saturation() is that of BM25: f * 2.2 / (f + 1.2 * (0.25 + 0.75 * length / average))", () => {
  const norm = lengthNorm(40, 10); // 4 on average
  assertAlmostEquals(saturation(1, 4, norm), 1);
  assertAlmostEquals(saturation(3, 4, norm), 6.6 / 4.2);
  assertAlmostEquals(saturation(3, 8, norm), 6.6 / (3 + 1.2 * 1.75));
  assertEquals(saturation(0, 8, norm), 0);
});

Deno.test("lengthNorm() lets lengths count nothing where no text has any", () => {
  assertEquals(lengthNorm(0, 3).perTerm, 0);
  assertAlmostEquals(lengthNorm(0, 3).fixed, 0.3);
  assertAlmostEquals(lengthNorm(1, 1).perTerm, 0.9);
});

Deno.test("deviation() is that of all numbers, and 1 where they are alike", () => {
  assertEquals(deviation(9 + 1 + 1 + 9, 4), Math.sqrt(5));
  assertEquals(deviation(0, 3), 1);
  assertEquals(deviation(1e-12, 1), 1, "what rounding leaves is nothing");
  assertAlmostEquals(deviation(2e-10, 2), 1e-5, 1e-12);
});

Deno.test("Scores.deviation() keeps the digits of numbers that are nearly alike", () => {
  const scores = new Scores();
  scores.reset(4);
  scores.add(1, 1);
  scores.add(2, 1 + 2e-5);
  assertAlmostEquals(scores.deviation(2) / 1e-5, 1, 1e-10);
});

Deno.test("decayed() halves a score for each half-life, and none for what was written after now", () => {
  assertEquals([0, 100, 200, 50].map((ageMs) => decayed(8, ageMs, 100)), [8, 4, 2, 8 * Math.SQRT1_2]);
  assertEquals(decayed(8, -100, 100), 8);
  assertEquals(decayed(0, 100, 100), 0);
  assertEquals(decayed(-8, 100, 100), -8, "what speaks against an entry does not fade");
  assertEquals([decayed(0.5, 100, 100), decayed(-0.5, 100, 100)], [0.25, -0.5]);
});

Deno.test("rounded() leaves nine digits behind the point", () => {
  assertEquals(rounded(0.123456789123), 0.123456789);
  assertEquals(rounded(0.1 + 0.2), 0.3);
  assertEquals(rounded(0.1234567896), 0.12345679);
  assertEquals(rounded(1234.5678912345), 1234.567891235);
});

Deno.test("Best.items are the first of the sorted candidates, equal ones in the order in which they came", () => {
  const candidate = fc.record({ score: fc.nat(5), name: fc.nat() });
  fc.assert(fc.property(fc.array(candidate, { maxLength: 30 }), fc.nat(8), (candidates, limit) => {
    const best = new Best<(typeof candidates)[number]>(limit, (a, b) => a.score > b.score);
    for (const each of candidates) best.add(each);
    assertEquals(best.items, candidates.toSorted((a, b) => b.score - a.score).slice(0, limit));
  }));
});

Deno.test("Best.items are the same where thousands are asked for, in a time that is not quadratic", () => {
  const candidates = Array.from({ length: 200_000 }, (_, n) => ({ score: (n * 7919) % 10_007, n }));
  const sorted = candidates.toSorted((a, b) => b.score - a.score);
  for (const limit of [1000, 1001, 50_000, Infinity]) {
    const best = new Best<(typeof candidates)[number]>(limit, (a, b) => a.score > b.score);
    const startedAt = performance.now();
    for (const [n, each] of candidates.entries()) {
      best.add(each);
      if (n === 70_000) assertEquals(best.items.length, Math.min(limit, n + 1));
    }
    const { items, worst } = best;
    assert(performance.now() - startedAt < 5000);
    assert(items.length === Math.min(limit, sorted.length) && items.every((each, index) => each === sorted[index]));
    assertEquals(worst, limit === Infinity ? undefined : sorted[limit - 1]);
  }
});

Deno.test("Best.add() asks once about an item that is not good enough, and seldom about others", () => {
  let asked = 0;
  const best = new Best<number>(64, (a, b) => {
    asked++;
    return a > b;
  });
  for (let number = 64; number > 0; number--) best.add(number);
  asked = 0;
  best.add(0);
  assertEquals(asked, 1);
  best.add(100);
  assert(asked <= 9, `a search by halves, not ${asked} comparisons`);
});

Deno.test("Best.worst is the item to beat, and nothing before there are enough", () => {
  const best = new Best<number>(2, (a, b) => a > b);
  assertEquals(best.worst, undefined);
  best.add(3);
  assertEquals(best.worst, undefined);
  best.add(5);
  assertEquals(best.worst, 3);
  best.add(4);
  assertEquals([best.worst, ...best.items], [4, 5, 4]);
});

Deno.test("Scores.add() sums by place, and names each place once", () => {
  const scores = new Scores();
  scores.reset(4);
  scores.add(3, 1.5);
  scores.add(1, 2);
  scores.add(3, 1);
  assertEquals([...scores.places()], [3, 1]);
  assertEquals([1, 2, 3].map((place) => scores.values[place]), [2, 0, 2.5]);
});

Deno.test("Scores.add() keeps a place whose sum comes to zero, once", () => {
  const scores = new Scores();
  scores.reset(2);
  scores.add(1, 1);
  scores.add(1, -1);
  assert(Math.abs(scores.values[1] ?? 1) < 1e-300);
  scores.add(1, 2);
  assertEquals([[...scores.places()], scores.values[1]], [[1], 2]);
});

Deno.test("Scores holds no memory before it is used, and counts no place twice that was used before", () => {
  const scores = new Scores();
  assertEquals([scores.values.length, scores.touched.length], [0, 0]);
  scores.reset(10);
  scores.add(5, 1);
  scores.add(3, 1);
  scores.reset(10);
  scores.add(3, 2);
  assertEquals(scores.deviation(2), 1, "of 2 and 0");
});

Deno.test("Scores.reset() forgets all, keeps its memory while it is large enough, and takes places below the limit", () => {
  const scores = new Scores();
  scores.reset(3);
  scores.add(1, 1);
  scores.add(2, 2);
  const { values, touched } = scores;
  assertEquals([values.length, touched.length], [6, 6]);
  scores.reset(6);
  assert(scores.values === values && scores.touched === touched);
  assertEquals([scores.size, [...values]], [0, [0, 0, 0, 0, 0, 0]]);
  scores.reset(7);
  scores.add(6, 1);
  assertEquals([[...scores.places()], scores.values[6], scores.values.length], [[6], 1, 14]);
});

Deno.test("Scores.deviation() counts places that were not added to as zeros", () => {
  const scores = new Scores();
  scores.reset(10);
  scores.add(2, 2);
  scores.add(7, 4);
  assertAlmostEquals(scores.deviation(4), Math.sqrt(20 / 4 - 1.5 ** 2));
});

Deno.test("Scores.standardise() makes z-scores of the places that were added to", () => {
  const scores = new Scores();
  scores.reset(10);
  for (const [place, score] of [[2, 2], [4, 4], [6, 6], [8, 8]] as const) scores.add(place, score);
  scores.standardise();
  const z = [-3, -1, 1, 3].map((each) => each / Math.sqrt(5));
  for (const [index, place] of [2, 4, 6, 8].entries()) assertAlmostEquals(scores.values[place] ?? NaN, z[index] ?? NaN);
  const none = new Scores();
  none.standardise();
  assertEquals(none.size, 0);
  const one = new Scores();
  one.reset(3);
  one.add(2, 5);
  one.standardise();
  assertEquals(one.values[2], 0);
});

/** A conversation of the places from `first` to `last`. */
function conversation(first: number, last: number): Conversations {
  const conversations = new Conversations();
  for (let place = first; place <= last; place++) {
    conversations.add(place, { name: "s", isImplied: false }, { order: place, sequence: 0, key: "" }, 1);
  }
  return conversations;
}

Deno.test("smooth() gives neighbours 0.4 and those behind them 0.2 of a score, with few entries and with many", () => {
  const conversations = conversation(2, 8);
  for (const limit of [9, 100]) { // 1 of 9 is more than an eighth, of 100 less
    const [entries, smoothed] = [new Scores(), new Scores()];
    entries.reset(limit);
    entries.add(5, 10);
    if (limit === 9) entries.add(1, 3);
    smooth(entries, smoothed, conversations, limit);
    const found = [...smoothed.places()].toSorted((a, b) => a - b);
    assertEquals(found, limit === 9 ? [1, 3, 4, 5, 6, 7] : [3, 4, 5, 6, 7]);
    assertEquals([3, 4, 5, 6, 7].map((place) => smoothed.values[place]), [2, 4, 10, 4, 2]);
    assertEquals(smoothed.values[1], limit === 9 ? 3 : 0);
  }
});

Deno.test("smooth() gives nothing beyond the ends of a conversation, whichever way it goes", () => {
  for (const limit of [9, 100]) {
    const conversations = conversation(2, 4);
    const [entries, smoothed] = [new Scores(), new Scores()];
    entries.reset(limit);
    entries.add(2, 10);
    entries.add(4, 100);
    smooth(entries, smoothed, conversations, limit);
    assertEquals([...smoothed.places()].toSorted((a, b) => a - b), [2, 3, 4]);
    assertEquals([2, 3, 4].map((place) => smoothed.values[place]), [30, 44, 102]);
    assertEquals(smoothed.values[0], 0);
  }
});

Deno.test("smooth() gives the same when it looks at every place as when it looks at those with a score", () => {
  const scored = fc.uniqueArray(fc.tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 9 })), {
    selector: ([place]) => place,
    maxLength: 12,
  });
  fc.assert(fc.property(scored, fc.nat(3), (given, gap) => {
    const conversations = conversation(1 + gap, 12 - gap);
    const results = [13, 1000].map((limit) => {
      const [entries, smoothed] = [new Scores(), new Scores()];
      entries.reset(limit);
      for (const [place, score] of given) entries.add(place, score);
      smooth(entries, smoothed, conversations, limit);
      return [...smoothed.places()].toSorted((a, b) => a - b)
        .map((place) => [place, rounded(smoothed.values[place] ?? NaN)]);
    });
    assertEquals(results[0], results[1]);
  }));
});
