/** Listeners: who is woken, and who is not any more. @module */

import { assertEquals } from "@std/assert";
import { Listeners } from "../../src/storage/listeners.ts";

Deno.test("Listeners.wake() wakes those of the topic, in the order in which they came", () => {
  const listeners = new Listeners();
  const woken: string[] = [];
  listeners.add("a", () => woken.push("first"));
  listeners.add("a", () => woken.push("second"));
  listeners.add("b", () => woken.push("other"));
  listeners.wake("a");
  listeners.wake("nobody's");
  assertEquals(woken, ["first", "second"]);
  listeners.wakeAll();
  assertEquals(woken, ["first", "second", "first", "second", "other"]);
});

Deno.test("Listeners.wake() wakes the others when one throws", () => {
  const listeners = new Listeners();
  let woken = 0;
  listeners.add("a", () => {
    throw new Error("its own fault");
  });
  listeners.add("a", () => woken++);
  listeners.wake("a");
  assertEquals(woken, 1);
});

Deno.test("Listeners.add() takes the same callback twice, and ends each for itself, once", async () => {
  const listeners = new Listeners();
  let woken = 0;
  const wake = () => woken++;
  const [first, second] = [listeners.add("a", wake), listeners.add("a", wake)];
  listeners.wake("a");
  assertEquals(woken, 2);
  await first();
  await first();
  listeners.wake("a");
  assertEquals(woken, 3);
  await second();
  listeners.wake("a");
  assertEquals(woken, 3);
});

Deno.test("Listeners.add() calls onLast once, when the topic has lost its last listener", async () => {
  const listeners = new Listeners();
  const ended: string[] = [];
  const first = listeners.add("a", () => {}, () => void ended.push("first"));
  const second = listeners.add("a", () => {}, () => void ended.push("second"));
  assertEquals([listeners.size, listeners.has("a"), listeners.topics()], [1, true, ["a"]]);
  await second();
  assertEquals(ended, []);
  await first();
  await first();
  assertEquals(ended, ["first"]);
  assertEquals([listeners.size, listeners.has("a"), listeners.topics()], [0, false, []]);
});

Deno.test("Listeners.clear() forgets everybody, and unlistening after it does no harm", async () => {
  const listeners = new Listeners();
  let calls = 0;
  const unlisten = listeners.add("a", () => calls++, () => void calls++);
  listeners.clear();
  listeners.wake("a");
  await unlisten();
  assertEquals([listeners.size, calls], [0, 0]);
});

Deno.test("an unlisten of before clear() leaves alone who listens to the topic since", async () => {
  const listeners = new Listeners();
  const before = listeners.add("a", () => {});
  listeners.clear();
  let woken = 0;
  listeners.add("a", () => woken++);
  await before();
  listeners.wake("a");
  assertEquals(woken, 1);
});

Deno.test("Listeners.wake() lets a listener end itself or add another", async () => {
  const listeners = new Listeners();
  const woken: string[] = [];
  const ending: Promise<void>[] = [];
  const unlisten = listeners.add("a", () => {
    woken.push("once");
    ending.push(unlisten());
    if (woken.length < 3) listeners.add("b", () => woken.push("late"));
  });
  listeners.wake("a");
  listeners.wake("a");
  listeners.wake("b");
  await Promise.all(ending);
  assertEquals(woken, ["once", "late"]);
});

Deno.test("a callback that fails later harms nobody either", async () => {
  const listeners = new Listeners();
  listeners.add("a", () => Promise.reject(new Error("its own fault")));
  listeners.wake("a");
  await new Promise((resolve) => setTimeout(resolve, 0)); // in which an unhandled rejection would end the process
});

Deno.test("a callback that listens anew is woken by the next wake-up, not by this one for ever", () => {
  const listeners = new Listeners();
  let wakes = 0;
  const again = () => {
    if (++wakes < 100) listeners.add("a", again);
  };
  listeners.add("a", again);
  listeners.wake("a");
  assertEquals(wakes, 1);
  listeners.wake("a");
  assertEquals(wakes, 3);
});
