/** Watches of a memory, and what becomes of them when something fails. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { turn } from "../storage/stand_in.ts";
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
