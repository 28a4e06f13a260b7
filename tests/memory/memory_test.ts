/** What a memory does about what seldom happens: wrong options, odd records, refusals, embedders that fail. @module */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { BackendCorruptError, CommitRefusedError, CoordinationError } from "../../src/errors.ts";
import { CheckedEmbedder } from "../../src/memory/embedding.ts";
import { decodeEntry, decodeValue, encodeValue, requireFormat } from "../../src/memory/entry_record.ts";
import { groupBatches } from "../../src/memory/group_batches.ts";
import { MemoryKeys } from "../../src/memory/keys.ts";
import { Memory } from "../../src/memory/memory.ts";
import type { CompactOptions, Embedder, MemoryChange, RecallOptions, SearchOptions } from "../../src/memory/model.ts";
import type { Batch, CommitResult } from "../../src/storage/backend.ts";
import type { JsonValue } from "../../src/storage/json.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { MEMORY_INFO, openMemory, TWO_WORDS } from "./open_memory.ts";

const refused = (reason: "conflict" | "full"): Promise<CommitResult> =>
  Promise.resolve({ committed: false, reason, index: 0 });

Deno.test("Memory says which commit was refused, and why", async () => {
  const { memory, methods } = openMemory();
  await memory.add("k", 1);
  methods.commit = () => refused("full");
  await assertRejects(() => memory.add("k", 2), CommitRefusedError, "Cannot add to the memory");
  await assertRejects(() => memory.delete("k"), CommitRefusedError, "Cannot delete the entry");
  await assertRejects(() => memory.update("k", () => 2), CommitRefusedError, "Cannot update the entry");
  methods.commit = () => refused("conflict");
  await assertRejects(() => memory.update("k", () => 2), CommitRefusedError, "Cannot update the entry");
  delete methods.commit;
  await memory.close();
});

Deno.test("Memory.within() has the same backend, tells where entries are, and closes nothing", async () => {
  const { memory } = openMemory({ namespace: ["a"] });
  const inner = memory.within("b", "c");
  assertEquals([memory.isUsingRedis(), inner.isUsingRedis()], [false, false]);
  assertEquals(inner.getBackendInfo(), { ...MEMORY_INFO, namespace: ["a", "b", "c"] });
  await inner.add("k", 1);
  assertEquals(await inner.update("k", (value) => Number(value) + 1), 2);
  assertEquals(await inner.update("none", () => undefined), undefined);
  await inner.close();
  assertEquals(await memory.size(), 0);
  await memory.close();
});

Deno.test("Memory refuses options that break their rules, naming them", async () => {
  const { memory } = openMemory();
  const none = 5 as unknown;
  await assertRejects(
    () => memory.compact({ olderThanMs: 0, summarize: none } as CompactOptions),
    TypeError,
    "Cannot use summarize: it must be a function",
  );
  const watch = none as (change: MemoryChange) => void;
  await assertRejects(() => memory.watch(watch), TypeError, "Cannot use listener: it must be a function");
  await assertRejects(
    () => memory.recall("q", { maxTokens: 1, countTokens: none } as RecallOptions),
    TypeError,
    "Cannot use countTokens: it must be a function",
  );
  await assertRejects(
    () => memory.search("q", { context: none } as SearchOptions),
    TypeError,
    "Cannot use context: it must be true or false",
  );
  await memory.close();
});

Deno.test("Memory.compact() takes one conversation, what is old enough, and lets summaries expire", async () => {
  const { memory, clock } = openMemory();
  for (const n of [1, 2, 3]) await memory.add(`a:${n}`, `a${n}`);
  for (const n of [1, 2]) await memory.add(`b:${n}`, `b${n}`);
  await memory.add("alone", "no conversation");
  await clock.advance(1000);
  await memory.add("a:4", "new");
  const summarize = (entries: readonly { readonly value: JsonValue }[]) => entries.map(({ value }) => value).join(" ");
  const options = { olderThanMs: 500, summarize, session: "a", ttlMs: 2000 };
  const { summaries, replaced, skipped } = await memory.compact(options);
  assertEquals([replaced, skipped, summaries.length], [3, 0, 1]);
  assertEquals(await memory.get(summaries[0] ?? ""), "a1 a2 a3");
  assertEquals(await memory.size(), 5);
  assertEquals((await memory.compact({ olderThanMs: 500, summarize, minEntries: 3 })).replaced, 0);
  await clock.advance(2000);
  assertEquals(await memory.get(summaries[0] ?? ""), undefined);
  await memory.close();
});

Deno.test("Memory.compact() keeps the order that was given, else that of time, else that of keys", async () => {
  const { memory } = openMemory();
  await memory.addMany([
    { key: "s:3", value: "c", session: "s", order: 2 },
    { key: "s:1", value: "a", session: "s", order: 1 },
    { key: "s:2", value: "b", session: "s", order: 2 },
  ]);
  const { summaries } = await memory.compact({
    olderThanMs: 0,
    summarize: (entries) => entries.map(({ value }) => value).join(""),
  });
  assertEquals(await memory.get(summaries[0] ?? ""), "acb");
  await memory.close();
});

Deno.test("Memory.compact() keeps every entry of a group of which one was written in the meantime", async () => {
  const { memory } = openMemory();
  for (const n of [1, 2, 3]) await memory.add(`a:${n}`, n);
  const summarize = async () => {
    await memory.add("a:2", "newer");
    return "summary";
  };
  assertEquals(await memory.compact({ olderThanMs: 0, summarize }), { summaries: [], replaced: 0, skipped: 3 });
  assertEquals(await memory.getMany(["a:1", "a:2", "a:3"]), [1, "newer", 3]);
  await memory.close();
});

Deno.test("Memory.search() in mode substring finds what is contained, and nothing for an empty text or no place", async () => {
  const { memory, clock } = openMemory();
  await memory.addMany([{ key: "a", value: "pineapple" }, { key: "b", value: { deep: ["Apple"] } }]);
  await clock.advance(1);
  await memory.add("c", "apple pie");
  const find = async (text: string, options: SearchOptions = {}) =>
    (await memory.search(text, { mode: "substring", ...options })).map(({ key }) => key);
  assertEquals(await find("apple"), ["c", "b", "a"]);
  assertEquals(await find("apple", { limit: 1 }), ["c"]);
  assertEquals(await find(""), []);
  assertEquals(await find("apple", { limit: 0 }), []);
  await assertRejects(
    () => memory.searchSessions("apple", { mode: "substring" }),
    TypeError,
    "says nothing of sessions",
  );
  await memory.close();
});

Deno.test("Memory.update() goes on behind an update whose own function has failed", async () => {
  const { memory } = openMemory();
  const failing = memory.update("k", () => {
    throw new RangeError("mine");
  });
  const next = memory.update("k", () => 2);
  await assertRejects(() => failing, RangeError, "mine");
  assertEquals(await next, 2);
  await memory.close();
});

Deno.test("Memory.update() keeps the session, the order and the end of an entry", async () => {
  const { memory, clock } = openMemory({ embedder: TWO_WORDS });
  await memory.add("k", "cat", { session: "s", order: 7, ttlMs: 1000 });
  await clock.advance(400);
  assertEquals(await memory.update("k", () => "dog"), "dog");
  const [entry] = await Array.fromAsync(memory.entries());
  assertEquals(entry?.session, "s");
  assertEquals((await memory.searchSessions("dog")).map(({ session }) => session), ["s"]);
  await clock.advance(600);
  assertEquals(await memory.get("k"), undefined);
  await memory.close();
});

Deno.test("Memory.history() is empty where nothing was kept, or what was kept is no list", async () => {
  const { memory, inner } = openMemory({ history: 2 });
  assertEquals(await memory.history("k"), []);
  await memory.add("k", 1);
  await memory.add("k", 2);
  assertEquals((await memory.history("k")).map(({ value }) => value), [1]);
  const key = new MemoryKeys([]).history("k");
  await inner.commit({ operations: [{ type: "set", key, value: { v: 1 } }] });
  assertEquals(await memory.history("k"), []);
  await memory.close();
});

Deno.test("Memory.search() by meaning counts what stands beside an entry, when told to", async () => {
  const { memory } = openMemory({ embedder: TWO_WORDS });
  await memory.addMany([
    { key: "s:1", value: "a cat", session: "s" },
    { key: "s:2", value: "nothing", session: "s" },
    { key: "t:1", value: "a dog", session: "t" },
    { key: "t:2", value: "nothing", session: "t" },
  ]);
  const find = async (context: boolean) =>
    (await memory.search("cat", { mode: "semantic", context })).map(({ key }) => key);
  assertEquals((await find(true)).slice(0, 2), ["s:1", "s:2"]);
  assertEquals((await find(false))[0], "s:1");
  assertEquals((await memory.searchSessions("cat", { mode: "semantic" }))[0]?.session, "s");
  await memory.close();
});

Deno.test("CheckedEmbedder.embed() trusts an embedder with nothing", async () => {
  const clock = new ManualClock();
  const none = {} as unknown as Embedder;
  assertThrows(
    () => new CheckedEmbedder(none, 10, clock),
    TypeError,
    "Cannot use embedder: it must have a method embed",
  );
  const failing = (embed: Embedder["embed"]) => {
    const embedder = new CheckedEmbedder({ dimensions: 2, embed }, 1000, clock);
    return assertRejects(() => embedder.embed(["text"]), CoordinationError);
  };
  const odd = (value: unknown) => failing(() => value as number[][]);
  assertEquals((await odd("text")).message, "Cannot embed the text: it must give 1 vectors, got string");
  assertEquals((await odd([])).message, "Cannot embed the text: it must give 1 vectors, got 0");
  const thrown = await failing(() => {
    throw "a string"; // deno-lint-ignore no-throw-literal -- embedders do
  });
  assertEquals([thrown.code, thrown.message], ["EMBEDDING_FAILED", "Cannot embed the text: a string"]);
  const late = failing((_texts, signal) =>
    new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)))
  );
  await clock.advance(1000);
  assertEquals((await late).message, "Cannot embed the text: it did not answer within 1000 ms");
  assertEquals(await new CheckedEmbedder(TWO_WORDS, 1000, clock).embed([]), []);
  assertEquals(clock.timers, 0);
});

Deno.test("decodeEntry() and decodeValue() refuse what is no record of theirs", async () => {
  for (const record of [null, "text", 1, [], {}, { v: 2 }]) {
    assertThrows(() => requireFormat(record), BackendCorruptError, "unknown format");
  }
  const times = { createdAtMs: 1, updatedAtMs: 1, sequence: 1 };
  await assertRejects(
    () => decodeEntry({ v: 1, ...times, createdAtMs: "1", value: 1 }),
    BackendCorruptError,
    "no times",
  );
  await assertRejects(
    () => decodeEntry({ v: 1, ...times, updatedAtMs: "1", value: 1 }),
    BackendCorruptError,
    "no times",
  );
  await assertRejects(() => decodeEntry({ v: 1, createdAtMs: 1, updatedAtMs: 1 }), BackendCorruptError, "no times");
  await assertRejects(() => decodeEntry({ v: 1, ...times }), BackendCorruptError, "a record has no value");
  assertEquals(await decodeEntry({ v: 1, ...times, value: 1, session: null, order: "x" }), {
    ...times,
    value: 1,
    session: null,
  });
});

Deno.test("encodeValue() compresses where that saves something", async () => {
  const repeated = "again ".repeat(100);
  const packed = await encodeValue(repeated, 10);
  assert(typeof packed.packed === "string" && packed.packed.length < 100);
  assertEquals(await decodeValue(packed), repeated);
  const random = Array.from({ length: 40 }, (_, index) => String.fromCharCode(33 + (index * 57) % 89)).join("");
  assertEquals(await encodeValue(random, 10), { value: random });
  assertEquals(await encodeValue(repeated, 1e6), { value: repeated });
});

Deno.test("groupBatches() puts batches together as far as a batch goes, and no key twice", () => {
  const set = (key: string, count = 1): Batch => ({
    checks: [{ key: [key], version: null }],
    operations: Array.from({ length: count }, (_, n) => ({ type: "set", key: [`${key}${n}`], value: n })),
  });
  const sizes = (batches: readonly Batch[]) => groupBatches(batches, 100).map(({ operations }) => operations.length);
  assertEquals(sizes([set("a", 40), set("b", 40), set("c", 40)]), [80, 40]);
  assertEquals(sizes([set("a"), set("b"), set("a")]), [2, 1]);
  const ack: Batch = { operations: [{ type: "ack", queue: ["q"], id: "1", token: "t" }] };
  assertEquals(sizes([ack, set("a")]), [2]);
  assertEquals(sizes([]), []);
});

Deno.test("Memory.update() begins nothing anew while what it does not find may be out of reach, also within", async () => {
  const inner = new MemoryBackend();
  let isAway = true;
  const source = {
    open: () => Promise.resolve(inner),
    info: () => MEMORY_INFO,
    mayMiss: () => isAway,
    close: () => inner.close(),
  };
  const memory = new Memory(source).within("a");
  await assertRejects(() => memory.update("k", () => 1), Error, "it may be in the backend that is away for now");
  isAway = false;
  assertEquals(await memory.update("k", () => 1), 1);
  await inner.close();
});

Deno.test("Memory puts what was written at the same time under the same number in the order of keys", async () => {
  const { memory, inner, clock } = openMemory();
  const now = clock.now();
  const value = { v: 1, value: "apple", createdAtMs: now, updatedAtMs: now, sequence: 7, session: "s" };
  const keys = new MemoryKeys([]);
  for (const key of ["b", "c", "a"]) {
    await inner.commit({ operations: [{ type: "set", key: keys.entry(key), value, tracked: true }] });
  }
  const found = await memory.search("apple", { mode: "substring" });
  assertEquals(found.map(({ key }) => key), ["a", "b", "c"]);
  const seen: string[] = [];
  await memory.compact({ olderThanMs: 0, summarize: (entries) => (seen.push(...entries.map(({ key }) => key)), 1) });
  assertEquals(seen, ["a", "b", "c"]);
  await memory.close();
});

Deno.test("Memory.search() filters by one of many values of a field", async () => {
  const { memory } = openMemory();
  await memory.addMany(Array.from({ length: 40 }, (_, n) => ({ key: `k${n}`, value: { text: "apple", n } })));
  const wanted = Array.from({ length: 20 }, (_, n) => 2 * n);
  const found = await memory.search("apple", { where: { n: wanted }, limit: 100 });
  assertEquals(found.map(({ key }) => key).toSorted(), wanted.map((n) => `k${n}`).toSorted());
  await memory.close();
});

Deno.test("Memory.search() reads everything anew where the backend has forgotten what changed, and finds the same", async () => {
  const { memory, methods, inner } = openMemory();
  await memory.add("a", "apple");
  await memory.search("apple");
  methods.changes = (parent) => inner.changes(parent); // always from the start
  const told: string[] = [];
  const end = await memory.watch(({ type, key }) => told.push(`${type} ${key}`));
  await memory.add("b", "apple");
  assertEquals((await memory.search("apple")).map(({ key }) => key), ["b", "a"]);
  await end();
  assertEquals([...new Set(told)], ["set b"], "what has not changed is not told again");
  await memory.close();
});
