/** The first timer of a process is set like all others. In a file of its own: the first is set only once. @module */

import { assertEquals } from "@std/assert";
import { systemClock } from "../src/clock.ts";

Deno.test("systemClock.setTimer() lets no promise go on in the middle of its caller, the first time too", () => {
  let order = "";
  void Promise.resolve().then(() => order += "promise");
  const cancel = systemClock.setTimer(() => {}, 1000);
  order += "caller ";
  cancel();
  assertEquals(order, "caller ");
});
