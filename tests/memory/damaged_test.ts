/** Records of a memory that are damaged, or none of its own. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { BackendCorruptError } from "../../src/errors.ts";
import { encodeValue } from "../../src/memory/entry_record.ts";
import { MemoryKeys } from "../../src/memory/keys.ts";
import { openMemory, TWO_WORDS } from "./open_memory.ts";

Deno.test("Memory.search() passes over records of an unknown format, and get() says what they are", async () => {
  const { memory, inner } = openMemory();
  await memory.addMany([{ key: "good", value: "apples" }, { key: "bad", value: "apples" }]);
  await memory.search("apples");
  const bad = new MemoryKeys([]).entry("bad");
  await inner.commit({ operations: [{ type: "set", key: bad, value: { v: 99 }, tracked: true }] });
  for (const mode of ["keyword", "substring"] as const) {
    assertEquals((await memory.search("apples", { mode })).map(({ key }) => key), ["good"], mode);
  }
  await assertRejects(() => memory.get("bad"), BackendCorruptError, "a record has an unknown format");
  await memory.close();
});

Deno.test("Memory.search() passes over records whose packed value or vector is damaged, and get() says what they are", async () => {
  const { memory, inner } = openMemory({ embedder: TWO_WORDS });
  await memory.add("good", "a cat");
  const keys = new MemoryKeys([]);
  const times = { v: 1, createdAtMs: 1, updatedAtMs: 1, sequence: 1 };
  const packed = await encodeValue("again ".repeat(100), 10);
  const whole = String(packed.packed);
  for (
    const [key, fields] of [
      ["no base64", { packed: "!!" }],
      ["no deflated text", { packed: "AAAA" }],
      ["cut", { packed: whole.slice(0, 12) }],
      ["no vector", { value: "a cat", vector: "!!" }],
    ] as const
  ) {
    const value = { ...times, ...fields };
    await inner.commit({ operations: [{ type: "set", key: keys.entry(key), value, tracked: true }] });
    await assertRejects(() => memory.get(key), BackendCorruptError, "Cannot read the memory");
  }
  assertEquals((await memory.search("cat")).map(({ key }) => key), ["good"]);
  assertEquals((await memory.search("cat", { mode: "substring" })).map(({ key }) => key), ["good"]);
  await memory.close();
});

Deno.test("Memory.compact() leaves a damaged record alone, and summarises what stands beside it", async () => {
  const { memory, inner } = openMemory();
  for (const n of [1, 2, 3]) await memory.add(`talk:${n}`, `turn ${n}`);
  const damaged = new MemoryKeys([]).entry("talk:2");
  await inner.commit({ operations: [{ type: "set", key: damaged, value: { v: 99 }, tracked: true }] });
  const summarize = (entries: readonly { readonly key: string }[]) => entries.map(({ key }) => key);
  const { summaries, replaced } = await memory.compact({ olderThanMs: 0, summarize });
  assertEquals([replaced, await memory.get(summaries[0] ?? "")], [2, ["talk:1", "talk:3"]]);
  assertEquals((await memory.keys()).includes("talk:2"), true);
  await assertRejects(() => Array.fromAsync(memory.entries()), BackendCorruptError);
  await memory.close();
});
