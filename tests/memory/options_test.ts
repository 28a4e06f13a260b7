/** A memory refuses options that there are not, by name, wherever it takes any, and does nothing. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { MemoryPrimitive } from "../../presets/memory_primitive.ts";
import { InMemoryStore } from "../../src/memory/in_memory_store.ts";
import { Analyzer } from "../../src/memory/text.ts";
import { openMemory } from "./open_memory.ts";

const { memory } = openMemory();

/** What is known elsewhere, and nowhere here. */
const FOREIGN: object = { ttl: undefined };

/** Every call that takes options, with the words by which its error names it. */
const CALLS: readonly (readonly [taker: string, call: () => unknown])[] = [
  ["MemoryPrimitive", () => new MemoryPrimitive(FOREIGN)],
  ["Memory", () => openMemory(FOREIGN)],
  ["InMemoryStore", () => new InMemoryStore(FOREIGN)],
  ["search()", () => new InMemoryStore().search("words", FOREIGN)],
  ["analyzer", () => new MemoryPrimitive({ analyzer: FOREIGN })],
  ["analyzer", () => new Analyzer(FOREIGN)],
  ["an entry", () => memory.add("key", 1, FOREIGN)],
  ["an entry", () => memory.addMany([{ key: "key", value: 1 }, { key: "other", value: 1, ...FOREIGN }])],
  ["an entry", () => memory.prepareAdd("key", 1, FOREIGN)],
  ["update()", () => memory.update("key", () => 1, FOREIGN)],
  ["a search", () => memory.search("words", FOREIGN)],
  ["a search", () => memory.searchSessions("words", FOREIGN)],
  ["weights", () => memory.search("words", { weights: { keyword: 1, semantic: 1, ...FOREIGN } })],
  ["recall()", () => memory.recall("words", { maxTokens: 1, ...FOREIGN })],
  ["a listing", () => memory.keys(FOREIGN)],
  ["a listing", () => memory.entries(FOREIGN).next()],
  ["watch()", () => memory.watch(() => {}, FOREIGN)],
  ["compact()", () => memory.compact({ olderThanMs: 0, summarize: () => 1, ...FOREIGN })],
];

for (const [index, [taker, call]] of CALLS.entries()) {
  Deno.test(`${taker} refuses an option that it does not know (${index})`, async () => {
    await assertRejects(async () => void await call(), TypeError, `Cannot use ttl: ${taker} takes only `);
    assertEquals(await memory.size(), 0);
  });
}

Deno.test("Memory.recall() takes no limit", async () => {
  const options: { readonly maxTokens: number } = { maxTokens: 1, ...{ limit: 3 } };
  await assertRejects(() => memory.recall("words", options), TypeError, "Cannot use limit: recall() takes only mode");
});
