/** A fallback in a world of outages, lost answers and killed processes, by seed: nothing that was accepted is lost. @module */

import { assert } from "@std/assert";
import { FallbackBackend } from "../../backends/composite/fallback.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { randomIntegers } from "../../src/testing/random.ts";
import { flaky, synchronised } from "./flaky_backend.ts";
import { Ledger } from "./ledger.ts";
import { SimulatedProcess, type SimulatedWorld } from "./simulated_process.ts";

const STEPS = 60;

/** Goes through one world, and tells how many messages were handled in it. */
async function simulate(seed: number): Promise<number> {
  const random = randomIntegers(seed);
  const clock = new ManualClock();
  const [store, fallbackStore] = [new MemoryBackend({ clock }), new MemoryBackend({ clock })];
  const { backend: primary, control } = flaky(store);
  const { backend: fallback, control: fallbackControl } = flaky(fallbackStore);
  const ledger = new Ledger(seed);
  let counter = 0;
  const world: SimulatedWorld = { seed, random, clock, primary, fallback, ledger, next: () => ++counter };

  let process = new SimulatedProcess(world);
  for (let step = 0; step < STEPS; step++) {
    for (let left = random(10); left >= 0; left--) await clock.advance(random(50));
    const kind = random(12);
    if (kind < 3) control.isAway = !control.isAway;
    else if (kind < 5) control.losesAnswers = !control.losesAnswers;
    else if (kind === 5) fallbackControl.isAway = !fallbackControl.isAway;
    else if (kind === 6) fallbackControl.losesAnswers = !fallbackControl.losesAnswers;
    else if (kind === 7) clock.jump(random(20_000) - 10_000);
    else if (kind === 8) await process.end();
    if (!process.isKilled) continue;
    await process.end();
    process = new SimulatedProcess(world);
  }
  await process.end();
  for (const each of [control, fallbackControl]) Object.assign(each, { isAway: false, losesAnswers: false });
  const last = new FallbackBackend(primary, { fallback: fallbackStore, queues: true }, clock, () => {});
  await last.get([["any"]]);
  await synchronised(last, clock, `seed ${seed}: `);
  await ledger.check(store);
  await last.close();
  return ledger.handled.size;
}

// Those that found a fault of their own, beyond what the first few find.
const REGRESSIONS = [45, 74, 88, 10119];

Deno.test("G1 nothing accepted is lost: a fallback in outages, with lost answers and killed processes", async () => {
  const first = Number(Deno.env.get("TTA_FALLBACK_SEED") ?? 1);
  const runs = Number(Deno.env.get("TTA_FALLBACK_RUNS") ?? 25);
  const seeds = [...Array.from({ length: runs }, (_, index) => first + index), ...REGRESSIONS];
  let handled = 0;
  for (const seed of seeds) handled += await simulate(seed);
  assert(handled > 10 * seeds.length, `too little has happened: ${handled} messages in ${seeds.length} worlds`);
});
