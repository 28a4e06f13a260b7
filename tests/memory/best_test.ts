/** The best of many candidates are those that sorting all of them gives. @module */

import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Best } from "../../src/memory/best.ts";

Deno.test("Best.items are the first of the sorted candidates, equal ones in the order in which they came", () => {
  const candidate = fc.record({ score: fc.nat(5), name: fc.nat() });
  fc.assert(fc.property(fc.array(candidate, { maxLength: 30 }), fc.nat(8), (candidates, limit) => {
    const best = new Best<(typeof candidates)[number]>(limit, (a, b) => a.score > b.score);
    for (const each of candidates) best.add(each);
    assertEquals(best.items, candidates.toSorted((a, b) => b.score - a.score).slice(0, limit));
  }));
});

Deno.test("Best.items are the same where thousands are asked for", () => {
  const candidates = Array.from({ length: 5000 }, (_, n) => ({ score: (n * 7919) % 1009, n }));
  const sorted = candidates.toSorted((a, b) => b.score - a.score);
  for (const limit of [1000, 1001, 2000, Infinity]) {
    const best = new Best<(typeof candidates)[number]>(limit, (a, b) => a.score > b.score);
    for (const [n, each] of candidates.entries()) {
      best.add(each);
      if (n === 0 || n === 3000) assertEquals(best.items.length, Math.min(limit, n + 1));
    }
    const { items, worst } = best;
    assert(items.length === Math.min(limit, sorted.length) && items.every((each, index) => each === sorted[index]));
    assertEquals(worst, limit === Infinity ? undefined : sorted[limit - 1]);
  }
});

Deno.test("Best.worst is there by the time that twice as many came as are asked for", () => {
  const best = new Best<number>(2000, (a, b) => a > b);
  for (let n = 0; n < 4000; n++) best.add(n);
  assert(best.worst !== undefined);
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
