/** The formulas of the ranking, by numbers that were computed by hand. @module */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { decayed, deviation, inverseFrequency, lengthNorm, rounded, saturation } from "../../src/memory/ranking.ts";

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
