/** Runs the conformance suite under the test runner, and holds each backend to what it leaves out. @module */

import { assertEquals } from "@std/assert";
import type { ConformanceFixture, Need } from "../../src/testing/case.ts";
import { conformanceCases } from "../../src/testing/cases/mod.ts";
import { backendConformance, type ManualClock } from "../../src/testing/mod.ts";

/** A backend under test. */
export interface Subject {
  /** Put before the name of each case. */
  readonly name: string;
  readonly factory: () => ConformanceFixture | Promise<ConformanceFixture>;
  /** The clock that the backend was made with; where it has its own, time really passes. */
  readonly clock?: ManualClock;
  /** What the backend is not able to do: the cases that need it, and no others, are left out. */
  readonly lacks: readonly Need[];
  /** Cases that are not run, by name, each with its reason. The runner counts them as ignored. @default {{}} */
  readonly ignored?: Readonly<Record<string, string>>;
  /** Whether timers and resources are left that are not ours. @default {false} */
  readonly isLeaky?: boolean;
  /** How long a case may take, in real milliseconds. @default {60_000} */
  readonly caseLimitMs?: number;
}

/** Registers a test for each case, and one that looks at what was left out. */
export function conformance(
  { name, factory, clock, lacks, ignored = {}, isLeaky = false, caseLimitMs = 60_000 }: Subject,
): void {
  const leftOut: string[] = [];
  const reasons = new Map(Object.entries(ignored).map(([each, reason]) => [`${name}: ${each}`, reason]));
  let ran = 0;
  backendConformance({
    prefix: `${name}: `,
    test: (title, run) => {
      const reason = reasons.get(title);
      Deno.test({
        name: reason === undefined ? title : `${title} (${reason})`,
        ignore: reason !== undefined,
        ...(isLeaky && { sanitizeOps: false, sanitizeResources: false }),
        fn: async () => {
          await run();
          ran++;
          if (clock) assertEquals(clock.timers, 0, "a closed backend holds no timer");
        },
      });
    },
    factory,
    caseLimitMs,
    advance: (ms) => clock ? clock.advance(ms) : new Promise((resolve) => setTimeout(resolve, ms)),
    leftOut: (title) => leftOut.push(title),
  });
  Deno.test(`${name}: leaves out the cases that need to be ${lacks.join(", ")}, and no others`, () => {
    if (ran + reasons.size < conformanceCases.length) return; // the runner was told to run a part
    const names = conformanceCases.map((each) => each.name);
    assertEquals(Object.keys(ignored).filter((each) => !names.includes(each)), []);
    const expected = conformanceCases.filter(({ needs = [] }) => needs.some((need) => lacks.includes(need)));
    assertEquals(leftOut, expected.map((each) => each.name));
  });
}
