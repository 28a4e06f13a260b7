/** The test command counts what its runs say, and says again how a failed one ended. @module */

import { assertEquals } from "@std/assert";
import { countTests, endOf } from "../../scripts/test.ts";

Deno.test("countTests() reads the summary of a run, with steps, ignored and filtered tests", () => {
  assertEquals(countTests("a ... ok (1ms)\n\nok | 12 passed | 0 failed (1s)\n"), { passed: 12, failed: 0 });
  assertEquals(countTests("FAILED | 3 passed (4 steps) | 2 failed (1 step) | 1 ignored | 7 filtered out (9ms)"), {
    passed: 3,
    failed: 2,
  });
});

Deno.test("countTests() takes the last summary, and none for nothing", () => {
  assertEquals(countTests("ok | 1 passed | 0 failed (1s)\nFAILED | 2 passed | 1 failed (1s)"), {
    passed: 2,
    failed: 1,
  });
  assertEquals(countTests("error: Type checking failed"), { passed: 0, failed: 0 });
});

Deno.test("endOf() keeps the last lines of what a step printed, without the empty ones behind them", () => {
  assertEquals(endOf("one\ntwo\n\n"), "one\ntwo");
  const lines = Array.from({ length: 100 }, (_, index) => `line ${index}`);
  assertEquals(endOf(lines.join("\n")), lines.slice(40).join("\n"));
});
