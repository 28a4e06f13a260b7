/** Turns where there are only timers, as in a browser. @module */

import { assertEquals } from "@std/assert";
import { systemClock } from "../../src/clock.ts";
import { Turns } from "../../src/storage/turns.ts";

Deno.test("Turns.next() lets others have their turn first where there is no setImmediate", async () => {
  const given = globalThis.setImmediate;
  try {
    Reflect.deleteProperty(globalThis, "setImmediate");
    const turns = new Turns();
    const order: string[] = [];
    systemClock.setTimer(() => order.push("another"), 0);
    await turns.next();
    order.push("who waited");
    assertEquals(order, ["another", "who waited"]);
    await turns.end();
  } finally {
    Object.assign(globalThis, { setImmediate: given });
  }
});
