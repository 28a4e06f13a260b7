/** Tests of the pure rules about who is alive, and when deaths are held back. @module */

import { assertEquals } from "@std/assert";
import { type Census, judge, livenessOf } from "../../src/agents/liveness.ts";

const RULE = { share: 0.15, minimum: 5 };

function census(silent: number, total: number, silentSessions = silent, othersAlive = true): Census {
  return { silent, total, silentSessions, othersAlive };
}

Deno.test("livenessOf() goes from alive to suspect to dead as the marks expire", () => {
  assertEquals(livenessOf({ alive: true, known: true }), "alive");
  assertEquals(livenessOf({ alive: false, known: true }), "suspect");
  assertEquals(livenessOf({ alive: false, known: false }), "dead");
});

Deno.test("judge() holds deaths back when more than the share of a type is silent, and at least the minimum", () => {
  assertEquals(judge(census(30, 200), "none", RULE), "expire", "15 % are not more than 15 %");
  assertEquals(judge(census(31, 200), "none", RULE), "hold");
  assertEquals(judge(census(4, 4), "none", RULE), "expire", "a small type is not held");
  assertEquals(judge(census(5, 5), "none", RULE), "hold");
});

Deno.test("judge() expires the agents of a single process that falls silent while others are heard of", () => {
  assertEquals(judge(census(20, 20, 1), "none", RULE), "expire");
  assertEquals(judge(census(20, 20, 2), "none", RULE), "hold");
  assertEquals(
    judge(census(20, 20, 1, false), "none", RULE),
    "hold",
    "nobody is left to show that the store was there",
  );
});

Deno.test("judge() waits while a hold runs, and expires when it is over", () => {
  assertEquals(judge(census(50, 100), "running", RULE), "wait");
  assertEquals(judge(census(50, 100), "over", RULE), "expire");
  assertEquals(judge(census(1, 100), "running", RULE), "expire", "the others have been heard of again");
});
