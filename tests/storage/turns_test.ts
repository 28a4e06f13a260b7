/** Tests of turns: an engine in this process keeps no timer from firing, and makes nobody wait for nothing. @module */

import { assert, assertEquals } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { systemClock } from "../../src/clock.ts";
import { Turns } from "../../src/storage/turns.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";

const MANY_CALLS = 5_000_000;

Deno.test("Turns.due() asks nobody to wait who makes few calls, and everybody after many without a turn", async () => {
  const turns = new Turns();
  for (let call = 0; call < 50; call++) assertEquals(turns.due(), null);
  let turn: Promise<void> | null = null;
  for (let call = 0; turn === null && call < MANY_CALLS; call++) turn = turns.due();
  assert(turn !== null, "a turn is due");
  assertEquals(turns.due(), turn, "who comes later waits too, so that none overtakes another");
  await turn;
  assertEquals(turns.due(), null);
  await turns.end();
});

Deno.test("Turns.next() lets others have their turn first", async () => {
  const turns = new Turns();
  const order: string[] = [];
  globalThis.setImmediate(() => order.push("another"));
  await Promise.all([turns.next(), turns.next()]);
  order.push("who waited");
  assertEquals(order, ["another", "who waited"]);
  assertEquals(turns.due(), null);
  await turns.end();
});

for (const call of ["commit", "claim", "get"] as const) {
  Deno.test(`MemoryBackend.${call}() in a long chain lets timers fire`, async () => {
    await using backend = new MemoryBackend();
    const calls = {
      commit: () => backend.commit({ operations: [{ type: "delete", key: ["key"] }] }),
      claim: () => backend.claim(["queue"], { leaseMs: 1000 }),
      get: () => backend.get([["key"]]),
    };
    let isOver = false;
    systemClock.setTimer(() => isOver = true, 1);
    let made = 0;
    while (!isOver && made < MANY_CALLS) {
      await calls[call]();
      made++;
    }
    assert(isOver, "the timer fired while calls were made");
  });
}

Deno.test("MemoryBackend answers at once on a clock that is moved by hand, however many calls are made", async () => {
  await using backend = new MemoryBackend({ clock: new ManualClock() });
  let turned = false;
  systemClock.setTimer(() => turned = true, 0);
  const endMs = performance.now() + 30;
  while (performance.now() < endMs) await backend.get([["key"]]);
  assertEquals(turned, false);
  await new Promise<void>((resolve) => systemClock.setTimer(resolve, 1));
});
