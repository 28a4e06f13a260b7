/** Tests of waits and leases on a host whose clock is set forward or back: durations last as long as they should. @module */

import { assertEquals } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { LeaseKeeper } from "../../src/messages/lease_keeper.ts";
import { MessageCoordinator } from "../../src/messages/coordinator.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";

const HOUR_MS = 3_600_000;
const AGENT = { type: "worker" };

for (const [direction, jumpMs] of [["forward", HOUR_MS], ["back", -HOUR_MS]] as const) {
  Deno.test(`receive() waits as long as it is told to when the clock is set ${direction}`, async () => {
    const clock = new ManualClock();
    await using backend = new MemoryBackend({ clock: new ManualClock() });
    const coordinator = new MessageCoordinator(backend, { clock });
    let waited = false;
    const waiting = coordinator.receive(AGENT, { waitMs: 10_000 }).then(() => waited = true);
    await clock.advance(5000);
    clock.jump(jumpMs);
    await clock.advance(4900);
    assertEquals(waited, false);
    await clock.advance(1100); // a look at the floor comes in between
    assertEquals(waited, true);
    await waiting;
  });

  Deno.test(`LeaseKeeper.keep() keeps a lease, and loses none, when the clock is set ${direction}`, async () => {
    const clock = new ManualClock();
    const keeper = new LeaseKeeper(clock, 6000);
    let [extended, lost] = [0, 0];
    const release = keeper.keep(() => {
      extended++;
      return Promise.resolve(true);
    }, () => lost++);
    await clock.advance(1000);
    clock.jump(jumpMs);
    await clock.advance(1000);
    assertEquals([extended, lost], [1, 0]);
    await clock.advance(10_000);
    assertEquals([extended, lost], [6, 0]);
    release();
    keeper.stop();
  });
}

Deno.test("receive() waits by the clock alone where that has no monotonic reading", async () => {
  const manual = new ManualClock();
  const clock = { now: () => manual.now(), setTimer: manual.setTimer.bind(manual) };
  await using backend = new MemoryBackend({ clock });
  const coordinator = new MessageCoordinator(backend, { clock });
  const waiting = coordinator.receive(AGENT, { waitMs: 10_000 });
  await manual.advance(10_000);
  assertEquals(await waiting, null);
});
