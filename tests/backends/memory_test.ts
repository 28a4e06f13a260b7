/** The parts of the memory backend: what it forgets and when, and what it does at its limits. @module */

import { assert, assertEquals, assertFalse, assertThrows } from "@std/assert";
import { Feed } from "../../backends/memory/feed.ts";
import { IdSet } from "../../backends/memory/id_set.ts";
import { IdTable } from "../../backends/memory/id_table.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import { Queue } from "../../backends/memory/queue.ts";
import { SeenIds } from "../../backends/memory/seen_ids.ts";
import { SortedKeys } from "../../backends/memory/sorted_keys.ts";
import type { EnqueueOperation } from "../../src/storage/backend.ts";
import { compareEncoded, encodeKey } from "../../src/storage/key.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";

const enqueue = (queue: string, id: string, dedupeMs = 0): EnqueueOperation => ({
  type: "enqueue",
  queue: [queue],
  id,
  value: null,
  priority: 5,
  maxAttempts: 3,
  dedupeMs,
  capacity: 100,
});

Deno.test("MemoryBackend.changes() begins anew for who has not read for thousands of deletions, and not for others", async () => {
  await using backend = new MemoryBackend();
  const set = (n: number) => ({ type: "set" as const, key: ["p", `${n}`], value: n, tracked: true });
  await backend.commit({ operations: [set(0)] });
  const old = await backend.changes(["p"]);
  let recent = old;
  for (let n = 1; n <= 3200; n++) {
    await backend.commit({ operations: [set(n)] });
    await backend.commit({ operations: [{ type: "delete", key: ["p", `${n}`] }] });
    if (n !== 3100) continue;
    do recent = await backend.changes(["p"], recent === old ? undefined : recent.cursor); while (recent.more);
  }
  const late = await backend.changes(["p"], old.cursor);
  assertEquals([late.reset, late.entries.map(({ value }) => value), late.deleted], [true, [0], []]);
  const soon = await backend.changes(["p"], recent.cursor);
  assertEquals([soon.reset, soon.entries.length, soon.deleted.length, soon.more], [false, 0, 100, false]);
});

Deno.test("Feed.read() gives each key once, at its last change, from any point on", () => {
  const feed = new Feed(0);
  for (let at = 1; at <= 10; at++) feed.write(`k${at % 3}`, at);
  feed.delete("k1", 11);
  assertEquals(feed.size, 2);
  assertEquals(feed.read(0, 10).keys, ["k2", "k0", "k1"]);
  assertEquals(feed.read(8, 1), { keys: ["k0"], end: 9, more: true });
  assertEquals(feed.read(11, 10), { keys: [], end: 11, more: false });
});

Deno.test("SortedKeys.between() lists as a sorted list does, over many blocks, forwards and back", () => {
  const keys = Array.from({ length: 2000 }, (_, n) => encodeKey([`k${(n * 7919) % 2000}`]));
  const sorted = new SortedKeys();
  for (const key of keys) sorted.add(key);
  for (const key of keys.slice(0, 1500)) sorted.delete(key);
  const left = keys.slice(1500).toSorted(compareEncoded);
  const [from, to] = [left[50] ?? "", left[400] ?? ""];
  assertEquals([...sorted.between(from, to)], left.slice(51, 400));
  assertEquals([...sorted.between(from, to, true)], left.slice(51, 400).toReversed());
  for (const key of left) sorted.delete(key);
  assertEquals([...sorted.between("", "\u{10ffff}")], []);
});

Deno.test("SeenIds forgets windows that nobody uses any more, and ids once two windows are over at the latest", () => {
  const seen = new SeenIds();
  assert(seen.isEmpty(0));
  for (let dedupeMs = 1; dedupeMs <= 50; dedupeMs++) assert(seen.add(`id ${dedupeMs}`, 0, dedupeMs));
  assertFalse(seen.isEmpty(0));
  assertFalse(seen.add("id 50", 49, 10), "in another window");
  assert(seen.add("new", 49, 1000));
  assertFalse(seen.has("id 20", 49), "2 windows are over");
  assert(seen.has("id 50", 49));
  assertFalse(seen.has("id 50", 100));
  assert(seen.isEmpty(3000));
});

Deno.test("IdSet.add() tells what is new as a Set does, of any length and of any characters", () => {
  const [ids, model] = [new IdSet(), new Set<string>()];
  const characters = ["a", "b", "\u{e9}", "\u{4e00}", "\u{1f600}"];
  for (let n = 0; n < 30_000; n++) {
    // Short ones come again; of many lengths, one begins as another does.
    const id = (characters[n % 7] ?? `${n % 4001}`).repeat(1 + (n * 31) % 128).slice(0, 256);
    assertEquals(ids.has(id), model.has(id), id);
    assertEquals(ids.add(id), !model.has(id), id);
    model.add(id);
    assert(ids.has(id));
    assertEquals(ids.size, model.size);
  }
});

Deno.test("IdTable keeps ids of the same hash apart", () => {
  const table = new IdTable();
  const ids = Array.from({ length: 100 }, (_, n) => `${n}`);
  for (const id of ids) assertEquals([table.has(id, 7), table.add(id, 7), table.add(id, 7)], [false, true, false]);
  for (const id of ids) assert(table.has(id, 7));
});

// In long runs one more than a Set can hold: a mailbox of a busy process gets so many in one window.
const MANY_IDS = Deno.env.has("TTA_LONG_TESTS") ? 2 ** 24 + 1 : 100_000;

Deno.test(`SeenIds.add() remembers ${MANY_IDS} ids of one window, each once`, () => {
  const seen = new SeenIds();
  for (let n = 0; n < MANY_IDS; n++) if (!seen.add(`message-${n}`, 0, 1000)) throw new Error(`${n} was new`);
  for (let n = 0; n < MANY_IDS; n += 97) if (seen.add(`message-${n}`, 0, 1000)) throw new Error(`${n} was known`);
  assertFalse(seen.has(`message-${MANY_IDS}`, 0));
});

Deno.test("Queue settles leased messages alone, and is forgotten when it neither holds nor remembers any", () => {
  const queue = new Queue();
  const prepared = { ...enqueue("q", "m"), queue: "q", delayMs: 0, dedupeMs: 100 };
  queue.enqueue(prepared, 0);
  assertThrows(() => queue.bury("m", null, 0), Error, "Cannot settle the message m: it is not leased");
  assertThrows(() => queue.retry("none", 0, null, 0), Error, "it is not leased");
  assertFalse(queue.isForgotten(0));
  queue.ack("m");
  assertFalse(queue.isForgotten(99));
  assert(queue.isForgotten(200));
});

Deno.test("MemoryBackend forgets queues in time, and no id before its window is over", async () => {
  const clock = new ManualClock();
  await using backend = new MemoryBackend({ clock });
  await backend.commit({
    operations: [enqueue("remembers", "m", 60_000), enqueue("forgets", "m"), enqueue("holds", "m")],
  });
  for (const queue of ["remembers", "forgets"]) {
    await backend.commit({ operations: [{ type: "purge", queue: [queue], id: "m" }] });
  }
  for (let commits = 0; commits < 2100; commits++) await backend.commit({ operations: [] });
  assertEquals(await Array.fromAsync(backend.queues()), [["holds"]]);
  const { committed, ...rest } = await backend.commit({
    operations: [enqueue("remembers", "m", 60_000), enqueue("forgets", "m"), enqueue("holds", "m")],
  });
  assert(committed && "results" in rest);
  assertEquals(rest.results.map((result) => result.type === "enqueue" && result.duplicate), [true, false, true]);
});

Deno.test("MemoryBackend.commit() counts what a batch frees and fills in its order, and finds nothing in no queue", async () => {
  await using backend = new MemoryBackend();
  const none = await backend.commit({
    operations: [
      { type: "purge", queue: ["none"], id: "m" },
      { type: "redrive", queue: ["none"], id: "n" },
      { type: "purge", queue: ["other"], id: "m" },
    ],
  });
  assert(none.committed);
  assertEquals(none.results.map((result) => "found" in result && result.found), [false, false, false]);
  await backend.commit({ operations: [enqueue("q", "dead"), enqueue("q", "ready")] });
  const [delivery] = await backend.claim(["q"], { leaseMs: 1000 });
  assert(delivery);
  await backend.commit({ operations: [{ type: "bury", queue: ["q"], id: delivery.id, token: delivery.token }] });
  const redrive = { type: "redrive" as const, queue: ["q"], id: "dead" };
  const tight = { ...enqueue("q", "new"), capacity: 2 };
  assertEquals(await backend.commit({ operations: [redrive, tight] }), { committed: false, reason: "full", index: 1 });
  const notDead = { type: "redrive" as const, queue: ["q"], id: "ready" };
  assertEquals((await backend.commit({ operations: [notDead, tight] })).committed, true);
});
