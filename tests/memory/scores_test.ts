/** What scores are kept and summed in. @module */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { Scores } from "../../src/memory/scores.ts";

Deno.test("Scores.deviation() keeps the digits of numbers that are nearly alike", () => {
  const scores = new Scores();
  scores.reset(4);
  scores.add(1, 1);
  scores.add(2, 1 + 2e-5);
  assertAlmostEquals(scores.deviation(2) / 1e-5, 1, 1e-10);
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
