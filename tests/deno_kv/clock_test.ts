/** The Deno KV backend while time goes on in the middle of a call. @module */

import { assert, assertEquals } from "@std/assert";
import { DenoKvBackend } from "../../backends/deno_kv.ts";
import { systemClock } from "../../src/clock.ts";
import { claimOne, message, QUEUE, send } from "../../src/testing/steps.ts";

Deno.test("stats() tells of the next moment also when that comes while it counts", async () => {
  for (const leaseMs of [1500, 2500, 3500, 4500]) {
    let [nowMs, stepMs] = [1_000_000, 0];
    const clock = { now: () => nowMs += stepMs, setTimer: systemClock.setTimer };
    await using backend = new DenoKvBackend({ path: ":memory:", clock });
    await send(backend, message("a"));
    await claimOne(backend, leaseMs);
    stepMs = 1000;
    const { ready, leased, nextDueInMs } = await backend.stats(QUEUE);
    assertEquals(ready + leased, 1);
    assert(leased === 0 || nextDueInMs !== null, `a lease of ${leaseMs} ms ends`);
  }
});
