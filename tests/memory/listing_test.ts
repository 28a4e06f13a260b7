/** Listings of a memory read what they give, and little more. @module */

import { assert, assertEquals } from "@std/assert";
import { openMemory } from "./open_memory.ts";

Deno.test("Memory.keys() reads the last keys that begin with a text, and not all that follow them", async () => {
  const { memory, methods, inner } = openMemory();
  for (const name of ["a", "b", "c"]) {
    await memory.addMany(
      Array.from({ length: 500 }, (_, n) => ({ key: `${name}:${String(n).padStart(3, "0")}`, value: n })),
    );
  }
  let [read, asked] = [0, 0];
  methods.list = async function* (prefix, options) {
    asked = Math.max(asked, options?.limit ?? Infinity);
    for await (const entry of inner.list(prefix, options)) {
      read++;
      yield entry;
    }
  };
  assertEquals(await memory.keys({ prefix: "a:", reverse: true, limit: 2 }), ["a:499", "a:498"]);
  assertEquals(await memory.keys({ prefix: "b:", limit: 1 }), ["b:000"]);
  assertEquals(await memory.keys({ reverse: true, limit: 1 }), ["c:499"]);
  assertEquals(await memory.keys({ prefix: "b:", reverse: true, after: "c", limit: 1 }), ["b:499"]);
  assert(asked < 10 && read < 10, `${read} entries were read, and ${asked} asked for at once`);
  assertEquals(await memory.keys({ prefix: "b:", reverse: true, after: "b:002" }), ["b:001", "b:000"]);
  assertEquals(await memory.keys({ prefix: "c", reverse: true, after: "b:002" }), []);
  assert(read < 10, `${read} entries were read`);
  await memory.close();
});

Deno.test("Memory.keys() gives the same for any text that keys begin with, forwards and backwards", async () => {
  const { memory } = openMemory();
  const ends = [
    "",
    "\0",
    "\x01",
    "\x02",
    "\x03",
    "a",
    "\x7f",
    "\x80",
    "\ud7ff",
    "\ue000",
    "\uffff",
    "\u{10000}",
    "\u{10ffff}",
  ];
  const odd = ["\ud800", "\udfff"];
  const keys = [...ends, ...odd].flatMap((first) => [...ends, ...odd].map((second) => `k${first}${second}`));
  await memory.addMany([...new Set(keys)].map((key) => ({ key, value: 1 })));
  const sorted = await memory.keys();
  // What ends in the middle of a character is no text that another one begins with.
  const prefixes = new Set(["", "k", "k\ud800b", ...keys].filter((text) => !/[\ud800-\udbff]$/.test(text)));
  for (const prefix of prefixes) {
    const begun = sorted.filter((key) => key.startsWith(prefix));
    assertEquals(await memory.keys({ prefix }), begun, JSON.stringify(prefix));
    assertEquals(await memory.keys({ prefix, reverse: true }), begun.toReversed(), JSON.stringify(prefix));
    for (const after of ["k", "ka", "k\udfffa", "k\u{10000}", "l"]) {
      const [at, name] = [sorted.findIndex((key) => key === after), JSON.stringify([prefix, after])];
      if (at < 0) continue;
      const behind = begun.filter((key) => sorted.indexOf(key) > at);
      const before = begun.filter((key) => sorted.indexOf(key) < at).reverse();
      assertEquals(await memory.keys({ prefix, after }), behind, name);
      assertEquals(await memory.keys({ prefix, after, reverse: true }), before, name);
    }
  }
  await memory.close();
});
