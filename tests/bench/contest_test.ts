/** The benchmarks count as they say. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { type Comparison, inDeno, outcomeOf } from "../../bench/peers/comparison.ts";
import { contest } from "../../bench/peers/contest.ts";

const CONTESTANT = new URL("contestant.ts", import.meta.url).href;

function comparison(ours: string, peer: string): Comparison {
  return { name: "a vs b", unit: "messages/s", ours: inDeno(CONTESTANT, ours), peer: inDeno(CONTESTANT, peer) };
}

Deno.test("outcomeOf() takes medians, and its ratio is above 1 where ours is better", () => {
  const rate = comparison("steady", "steady");
  assertEquals(outcomeOf(rate, [30, 1000, 20], [10, 10, 10]).ratio, 3);
  assertEquals(outcomeOf(rate, [10, 20], [10]).ours, 15);
  assertEquals(outcomeOf({ ...rate, unit: "ns/call", better: "lower" }, [100], [450]).ratio, 4.5);
});

Deno.test("contest() measures both sides in processes of their own, and leaves the first round out", async () => {
  const outcomes = await contest([comparison("counting", "steady")], { rounds: 3, roundMs: 50 });
  assertEquals(outcomes, [{ name: "a vs b", ours: 200, peer: 50, ratio: 4, unit: "messages/s" }]);
});

Deno.test("contest() fails when a side ends before its round does, and leaves no process behind", async () => {
  await assertRejects(
    () => contest([comparison("steady", "broken")], { rounds: 1, roundMs: 10 }),
    Error,
    "the process ended before its round did",
  );
});
