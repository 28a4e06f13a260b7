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

/** A value that the types forbid. */
function wrong<Value>(value: unknown): Value {
  return value as Value;
}

/** Calls that are given something of the wrong kind, and what their error says. */
const MISTAKES: readonly (readonly [says: string, call: () => unknown])[] = [
  // Where others take a time to live as a number, none would be set.
  ["the options of add(): they must be an object, got number", () => memory.add("key", 1, wrong(60_000))],
  ["the options of prepareAdd(): they must be an object", () => memory.prepareAdd("key", 1, wrong(60_000))],
  ["the options of an entry: they must be an object", () => memory.addMany(new Array(1))],
  ["the key: it has", () => memory.addMany([{ key: "key", value: 1 }, { key: "k".repeat(2000), value: 1 }])],
  ["keys: it must be an array", () => memory.getMany(wrong("key"))],
  ["change: it must be a function", () => memory.update("key", wrong(5))],
  ["where: it must be an object of fields", () => memory.search("words", { where: wrong(new Map([["a", 1]])) })],
  ["where.a: it must be a string", () => memory.search("words", { where: { a: new Array(1) } })],
  ["prefix: it must be a string", () => memory.watch(() => {}, { prefix: wrong(null) })],
  ["embedder: it must have a method embed", () => openMemory({ embedder: wrong(null) })],
  ["namespace: it must be a string or an array of strings", () => openMemory({ namespace: wrong([5]) })],
  ["key: it must be a string", () => new InMemoryStore().get(wrong(5))],
  ["key: it must be a string", () => new InMemoryStore().delete(wrong(5))],
];

for (const [index, [says, call]] of MISTAKES.entries()) {
  Deno.test(`what is of the wrong kind is refused: ${says} (${index})`, async () => {
    const { message } = await assertRejects(async () => void await call(), Error);
    assertEquals([message.startsWith(`Cannot use ${says}`), await memory.size()], [true, 0], message);
  });
}

Deno.test("Memory.recall() takes no limit", async () => {
  const options: { readonly maxTokens: number } = { maxTokens: 1, ...{ limit: 3 } };
  await assertRejects(() => memory.recall("words", options), TypeError, "Cannot use limit: recall() takes only mode");
});
