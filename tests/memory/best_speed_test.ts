/** How long it takes to keep many; apart from the other tests, as mutants are not held to it. @module */

import { assert, assertEquals } from "@std/assert";
import { Best } from "../../src/memory/best.ts";

Deno.test("Best.add() takes no time that is quadratic in how many are asked for", () => {
  const best = new Best<number>(Infinity, (a, b) => a > b);
  const startedAt = performance.now();
  for (let n = 0; n < 200_000; n++) best.add((n * 7919) % 10_007);
  assertEquals(best.items.length, 200_000);
  assert(performance.now() - startedAt < 5000);
});
