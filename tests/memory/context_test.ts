/** What the entries beside one make of its score. @module */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { smooth } from "../../src/memory/context.ts";
import { Conversations } from "../../src/memory/conversations.ts";
import { rounded } from "../../src/memory/ranking.ts";
import { Scores } from "../../src/memory/scores.ts";

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
