/** The property test: over random commands, a backend does what the model does. @module */

import fc from "fast-check";
import type { ConformanceFixture } from "../../src/testing/case.ts";
import type { ManualClock } from "../../src/testing/mod.ts";
import { calls } from "./commands.ts";
import { LateError, run } from "./run.ts";
import { exactTimes, realTimes } from "./times.ts";

/** A backend under test. */
export interface PropertySubject {
  readonly name: string;
  /** Makes a fixture with a fresh, empty backend; called once a run, so it must be quick. */
  readonly factory: () => ConformanceFixture | Promise<ConformanceFixture>;
  /** The clock that the backends are made with; where they have their own, time really passes. */
  readonly clock?: ManualClock;
  /** How many runs there are; `TTA_PROPERTY_RUNS` goes before it. @default {1000} */
  readonly runs?: number;
  /** Where time really passes: how long a tick is. @default {200} */
  readonly tickMs?: number;
  /** Where time really passes: how many runs wait side by side. @default {100} */
  readonly lanes?: number;
}

/**
 * Registers the property test. A failure prints its seed and path, with which `TTA_PROPERTY_SEED` and
 * `TTA_PROPERTY_PATH` run it again.
 */
export function backendProperty(subject: PropertySubject): void {
  const { name, factory, clock, tickMs = 200 } = subject;
  const runs = Number(Deno.env.get("TTA_PROPERTY_RUNS") ?? subject.runs ?? 1000);
  const seed = Number(Deno.env.get("TTA_PROPERTY_SEED") ?? Date.now() % 2 ** 31);
  const path = Deno.env.get("TTA_PROPERTY_PATH");
  const lanes = clock || path ? 1 : Math.min(subject.lanes ?? 100, runs);

  const property = fc.asyncProperty(calls(clock ? 40 : 20), fc.boolean(), async (commands, looks) => {
    const fixture = await factory();
    try {
      // Each look takes many calls, for which real time does not wait.
      await run(fixture, clock ? exactTimes(clock) : realTimes(tickMs), commands, looks && clock !== undefined);
    } catch (error) {
      if (error instanceof LateError) fc.pre(false);
      throw error;
    }
  });

  Deno.test(`${name}: does what the model does, over ${runs} runs of random commands`, async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: lanes }, (_, lane) => {
      const options = {
        seed: seed + lane,
        numRuns: Math.ceil(runs / lanes),
        maxSkipsPerRun: 20,
        ...(path && { path }),
      };
      return fc.assert(property, options);
    }));
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed) throw failed.reason;
  });
}
