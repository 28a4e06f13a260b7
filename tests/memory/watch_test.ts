/** Watches of a memory, and what becomes of them when something fails. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { CompositeBackend } from "../../backends/composite.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import { MemoryPrimitive } from "../../presets/memory_primitive.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { flaky } from "../composite/flaky_backend.ts";
import { standIn, turn } from "../storage/stand_in.ts";
import { openMemory } from "./open_memory.ts";

Deno.test("Memory.watch() tells of changes, not of what a listener throws, and ends once", async () => {
  const { memory } = openMemory();
  const seen: string[] = [];
  const end = await memory.watch(({ type, key }) => {
    seen.push(`${type} ${key}`);
    throw new Error("the listener's own");
  }, { prefix: "a" });
  await memory.add("a1", 1);
  await memory.add("b1", 1);
  await memory.delete("a1");
  await turn();
  await end();
  await end();
  await memory.add("a2", 1);
  await memory.search("x");
  assertEquals(seen.filter((each) => !each.startsWith("set a1")), ["delete a1"]);
  await memory.close();
});

Deno.test("Memory.watch() leaves no listener behind when it cannot read what there is", async () => {
  const { memory, methods, inner } = openMemory();
  let listeners = 0;
  methods.listen = async (topic, wake) => {
    const unlisten = await inner.listen(topic, wake);
    listeners++;
    return async () => {
      listeners--;
      await unlisten();
    };
  };
  methods.changes = () => Promise.reject(new Error("out of reach"));
  await assertRejects(() => memory.watch(() => {}), Error, "out of reach");
  assertEquals(listeners, 0);
  await memory.close();
});

Deno.test("Memory.watch() tells of what no wake-up told of, and of what could not be read at first", async () => {
  const { memory, methods, inner, clock } = openMemory();
  Object.assign(methods, { traits: { ...inner.traits, wakeWithinMs: 1 } });
  let wake = () => {};
  methods.listen = (_topic, given) => {
    wake = given;
    return Promise.resolve(() => Promise.resolve());
  };
  const seen: string[] = [];
  const end = await memory.watch(({ type, key }) => seen.push(`${type} ${key}`));
  await memory.add("a", 1);
  await clock.advance(1000);
  await turn();
  assertEquals(seen, ["set a"]);
  methods.changes = () => Promise.reject(new Error("out of reach"));
  await memory.delete("a");
  wake();
  await clock.advance(1000);
  await turn();
  assertEquals(seen.length, 1);
  methods.changes = inner.changes.bind(inner);
  await clock.advance(1000);
  await turn();
  assertEquals(seen, ["set a", "delete a"]);
  await end();
  assertEquals(clock.timers, 0);
  await memory.close();
});

Deno.test("Memory.watch() sets no timer any more once the caller has closed the backend", async () => {
  const { memory, methods, inner, clock } = openMemory();
  Object.assign(methods, { traits: { ...inner.traits, wakeWithinMs: 1 } });
  await memory.watch(() => {});
  assertEquals(clock.timers, 1);
  await inner.close();
  await clock.advance(1000);
  await turn();
  assertEquals(clock.timers, 0);
  await memory.close();
});

Deno.test("Memory.watch() tells of what a fallback had not once its primary is back", async () => {
  const clock = new ManualClock();
  const store = new MemoryBackend({ clock });
  const { backend: primary, control } = flaky(standIn(store, { traits: { ...store.traits, wakeWithinMs: 1 } }));
  await using backend = new CompositeBackend({
    default: { backend: primary, fallback: new MemoryBackend({ clock }) },
    clock,
  });
  const memory = new MemoryPrimitive({ backend, clock });
  await memory.add("a", 1);
  const seen: string[] = [];
  await memory.watch(({ type, key }) => seen.push(`${type} ${key}`));
  const pass = async () => {
    await clock.advance(1000);
    await turn();
    return seen.splice(0);
  };
  control.isAway = true;
  assertEquals(await pass(), ["delete a"]);
  control.isAway = false;
  assertEquals([...await pass(), ...await pass()], ["set a"]);
  await memory.close();
});

Deno.test("Memory.watch() sets no timer where no wake-up can be lost", async () => {
  const { memory, clock } = openMemory();
  await memory.watch(() => {});
  assertEquals(clock.timers, 0);
  await memory.close();
});
