/** Cases: a memory holds what it was given, for as long as it was told to, and shows it to nobody else. @module */

import assert from "node:assert/strict";
import { Memory, type MemoryOptions } from "../../memory/memory.ts";
import type { MemoryChange } from "../../memory/model.ts";
import type { StorageBackend } from "../../storage/backend.ts";
import { mergeBatches } from "../../storage/batch.ts";
import { collect } from "../../storage/es2024.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import { claimOne, counts, lease, message, only, QUEUE, send } from "../steps.ts";

/** Cases about storing, on any backend. */
export const memoryCases: readonly ConformanceCase[] = [
  {
    name: "memory: what was added is there, what was deleted is not",
    run: async ({ backend }) => {
      const memory = memoryOn(backend);
      await memory.add("b", { text: "one", deep: { list: [1, null, "ü😀\u0000"] } });
      await memory.addMany([{ key: "a", value: "two" }, { key: "c:1", value: 3 }, { key: "a", value: "again" }]);
      assert.deepEqual(await memory.getMany(["b", "none", "a"]), [
        { text: "one", deep: { list: [1, null, "ü😀\u0000"] } },
        undefined,
        "again",
      ]);
      assert.deepEqual([await memory.size(), await memory.keys()], [3, ["a", "b", "c:1"]]);
      assert.deepEqual([await memory.delete("b"), await memory.delete("b")], [true, false]);
      assert.equal(await memory.get("b"), undefined);
      assert.deepEqual([await memory.clear(), await memory.size(), await memory.keys()], [2, 0, []]);
    },
  },
  {
    name: "memory: entries come in the order of their keys, by prefix, in pages, in both directions",
    run: async ({ backend }) => {
      const memory = memoryOn(backend);
      const keys = ["a", "b", "b:1", "b:2", "b:\u{1f600}", "ba", "c", ""];
      await memory.addMany(keys.map((key) => ({ key, value: key })));
      const sorted = ["", "a", "b", "b:1", "b:2", "b:\u{1f600}", "ba", "c"];
      assert.deepEqual(await memory.keys(), sorted);
      assert.deepEqual(await memory.keys({ reverse: true }), sorted.toReversed());
      assert.deepEqual(await memory.keys({ prefix: "b" }), ["b", "b:1", "b:2", "b:\u{1f600}", "ba"]);
      assert.deepEqual(await memory.keys({ prefix: "b:", reverse: true }), ["b:\u{1f600}", "b:2", "b:1"]);
      assert.deepEqual(await memory.keys({ prefix: "b", after: "b:1", limit: 2 }), ["b:2", "b:\u{1f600}"]);
      assert.deepEqual(await memory.keys({ prefix: "b", after: "a", limit: 1 }), ["b"]);
      assert.deepEqual(await memory.keys({ prefix: "x" }), []);
      assert.deepEqual(await memory.keys({ limit: 0 }), []);
      const [entry] = await collect(memory.entries({ prefix: "b:1" }));
      assert.equal(entry?.session, "b");
      assert.ok(entry && entry.createdAtMs > 0 && entry.createdAtMs === entry.updatedAtMs);
    },
  },
  {
    name: "memory: an entry is gone when its time is over, and an update does not move that",
    // Where the backend does not tell its time, what is left of an entry's goes by the memory's own clock.
    run: async ({ backend, shortMs, elapse }) => {
      const memory = memoryOn(backend);
      const ttlMs = 5 * shortMs; // longer than all that is done until then, where time really passes
      await memory.add("brief", "rain", { ttlMs });
      await memory.add("updated", "rain", { ttlMs });
      await memory.add("renewed", "rain", { ttlMs });
      await memory.add("long", "rain", { ttlMs: LONG_MS });
      await memory.update("updated", () => "more rain");
      await memory.update("renewed", () => "more rain", { ttlMs: LONG_MS });
      assert.equal((await memory.search("rain")).length, 4);
      await elapse(ttlMs + 50);
      assert.deepEqual(await memory.keys(), ["long", "renewed"]);
      assert.deepEqual(await memory.getMany(["brief", "updated"]), [undefined, undefined]);
      assert.deepEqual((await memory.search("rain")).map(({ key }) => key).sort(), ["long", "renewed"]);
      assert.deepEqual((await memory.search("ain", { mode: "substring" })).length, 2);
      assert.equal(await memory.size(), 2);
    },
  },
  {
    name: "memory: namespaces do not see one another, nor what is within them",
    run: async ({ backend }) => {
      const names = [[], ["acme"], ["acme", "corp"], ["acme-corp"], ["acme:corp"], [""], ["1", "acme"], [
        "acme\u0000corp",
      ]];
      const memories = names.map((namespace) => memoryOn(backend, { namespace }));
      await Promise.all(memories.map((memory, index) => memory.add("key", { text: `secret ${index}` })));
      for (const [index, memory] of memories.entries()) {
        assert.deepEqual(await memory.get("key"), { text: `secret ${index}` });
        assert.deepEqual((await memory.search("secret")).map(({ value }) => value), [{ text: `secret ${index}` }]);
        assert.deepEqual([await memory.keys(), await memory.size()], [["key"], 1]);
      }
      assert.deepEqual(await memories[1]?.within("corp").get("key"), { text: "secret 2" });
      assert.equal(await memories[1]?.clear(), 1);
      assert.deepEqual(await Promise.all(memories.map((memory) => memory.size())), [1, 0, 1, 1, 1, 1, 1, 1]);
    },
  },
  {
    name: "memory: no update is lost, however many are made at once",
    run: async ({ backend }) => {
      const memories = [memoryOn(backend), memoryOn(backend), memoryOn(backend, { history: 2 })];
      await Promise.all(
        Array.from(
          { length: 30 },
          (_, index) => memories[index % 3]?.update("count", (value) => Number(value ?? 0) + 1),
        ),
      );
      assert.equal(await memories[0]?.get("count"), 30);
      assert.equal(await memories[0]?.update("count", () => undefined), 30);
      const [before] = await collect(memoryOn(backend).entries());
      await memories[0]?.update("count", (value) => [value ?? null]);
      const [after] = await collect(memoryOn(backend).entries());
      assert.deepEqual([after?.value, after?.createdAtMs], [[30], before?.createdAtMs]);
    },
  },
  {
    name: "memory: as many former versions are kept as were asked for",
    run: async ({ backend }) => {
      const memory = memoryOn(backend, { history: 2, compressAbove: 100 });
      const long = "former ".repeat(100);
      for (const value of [1, long, 3]) await memory.add("key", value);
      await memory.update("key", () => 4);
      assert.deepEqual((await memory.history("key")).map(({ value }) => value), [3, long]);
      assert.deepEqual(await memory.history("none"), []);
      assert.equal(await memory.delete("key"), true);
      assert.deepEqual(await memory.history("key"), []);
      await memory.addMany([{ key: "two", value: 1 }, { key: "two", value: 2 }]);
      assert.deepEqual((await memory.history("two")).map(({ value }) => value), [1]);
      await memory.clear();
      assert.deepEqual(await memory.history("two"), []);
      assert.equal(await backend.count([]), 0);
    },
  },
  {
    name: "memory: large values are compressed, and nobody notices",
    run: async ({ backend }) => {
      const memory = memoryOn(backend, { compressAbove: 1000 });
      const value = { text: "the heron stands in the reeds ".repeat(5000), rest: ["\u{1f600}"] };
      await memory.add("large", value);
      const [record] = await collect(backend.list([]));
      assert.ok(JSON.stringify(record?.value).length < 10_000, "it is stored in a tenth of the space");
      assert.deepEqual(await memoryOn(backend).get("large"), value);
      assert.deepEqual((await memoryOn(backend).search("heron")).map(({ key }) => key), ["large"]);
      const noise = Array.from({ length: 3000 }, (_, index) => String.fromCharCode(32 + (index * 7919) % 90)).join("");
      await memory.add("noise", noise);
      assert.equal(await memory.get("noise"), noise);
    },
  },
  {
    name: "memory: an entry is stored together with an acknowledgement, or not at all",
    run: async ({ backend }) => {
      const memory = memoryOn(backend);
      await send(backend, message("1"), message("2"));
      const first = await claimOne(backend);
      const learned = await memory.prepareAdd("learned", { text: "otters hold hands" });
      const done = { operations: [{ type: "ack" as const, ...lease(first) }] };
      assert.equal((await backend.commit(mergeBatches(done, learned))).committed, true);
      assert.deepEqual((await memory.search("otter")).map(({ key }) => key), ["learned"]);
      const lost = mergeBatches(done, await memory.prepareAdd("lost", { text: "otters swim" }));
      assert.equal((await backend.commit(lost)).committed, false);
      assert.deepEqual((await memory.search("otter")).map(({ key }) => key), ["learned"]);
      assert.deepEqual(await counts(backend, QUEUE), only({ ready: 1 }));
    },
  },
  {
    name: "memory: who watches hears of every entry that is written, deleted or cleared",
    run: async ({ backend, until }) => {
      const memory = memoryOn(backend);
      await memory.add("old", 0);
      const seen: MemoryChange[] = [];
      const stop = await memory.watch((change) => seen.push(change));
      const prefixed: MemoryChange[] = [];
      const stopPrefixed = await memory.watch((change) => prefixed.push(change), { prefix: "a" });
      const other = memoryOn(backend);
      await other.add("a", { n: 1 });
      await until("the entry was seen", () => seen.length >= 1);
      await other.delete("a");
      await until("the deletion was seen", () => seen.length >= 2);
      await other.add("b", 2);
      await until("the second entry was seen", () => seen.length >= 3);
      await other.clear();
      await until("the end of all was seen", () => seen.length >= 5);
      assert.deepEqual(seen.slice(0, 3), [
        { type: "set", key: "a", value: { n: 1 } },
        { type: "delete", key: "a" },
        { type: "set", key: "b", value: 2 },
      ]);
      assert.deepEqual(seen.slice(3).map(({ type, key }) => [type, key]).sort(), [["delete", "b"], ["delete", "old"]]);
      assert.deepEqual(prefixed.map(({ type }) => type), ["set", "delete"]);
      await stopPrefixed();
      await stop();
      await stop();
      await other.add("late", 1);
      await memory.search("late");
      assert.equal(seen.length, 5);
      await memory.close();
    },
  },
  {
    name: "memory: old entries of a conversation become one summary, in its place",
    run: async ({ backend, elapse, shortMs }) => {
      const memory = memoryOn(backend);
      for (let turn = 0; turn < 40; turn++) await memory.add(`chat:${turn}`, { text: `turn ${turn} about otters` });
      await memory.add("chat-2:1", "alone");
      await memory.add("single", "no session");
      await elapse(shortMs);
      const asked: string[][] = [];
      const outcome = await memory.compact({
        olderThanMs: 0,
        summarize: (entries, session) => {
          asked.push(entries.map(({ key }) => key));
          return { text: `${entries.length} turns of ${session}` };
        },
      });
      const summaries = Math.ceil(40 / Math.floor((backend.traits.maxBatchSize - 2) / 3));
      assert.deepEqual([outcome.replaced, outcome.skipped, outcome.summaries.length], [40, 0, summaries]);
      assert.deepEqual(asked.flat(), Array.from({ length: 40 }, (_, turn) => `chat:${turn}`));
      assert.deepEqual(await memory.size(), summaries + 2);
      assert.deepEqual((await memory.search("otters")).length, 0);
      const [summary] = await collect(memory.entries({ prefix: "chat:" }));
      assert.equal(summary?.session, "chat");
      const matching = (await memory.search("turns of", { limit: 100 })).map(({ key }) => key).sort();
      assert.deepEqual(matching, [...outcome.summaries].sort(), "a session that keys imply stays one");
    },
  },
  {
    name: "memory: what was written while it was summarised is left alone",
    run: async ({ backend, elapse, shortMs }) => {
      const memory = memoryOn(backend);
      await memory.addMany([{ key: "a:1", value: 1 }, { key: "a:2", value: 2 }]);
      await elapse(shortMs);
      const summarize = async () => {
        await memory.add("a:2", "new");
        return "summary";
      };
      const outcome = await memory.compact({ olderThanMs: 0, summarize });
      assert.deepEqual(outcome, { summaries: [], replaced: 0, skipped: 2 });
      assert.deepEqual(await memory.getMany(["a:1", "a:2"]), [1, "new"]);
      assert.equal(await memory.size(), 2);
    },
  },
  {
    name: "memory: what cannot be stored is refused, and changes nothing",
    run: async ({ backend }) => {
      const memory = memoryOn(backend);
      await memory.add("key", "before");
      // deno-lint-ignore no-explicit-any -- what a caller without types may pass
      const any = (value: any) => value;
      await assert.rejects(memory.add("key", any({ when: new Map() })), { name: "TypeError", message: /value\.when/ });
      await assert.rejects(memory.add("key", any(undefined)), { name: "TypeError" });
      await assert.rejects(memory.add(any(5), 1), { name: "TypeError", message: /key/ });
      await assert.rejects(memory.add("key", 1, { ttlMs: 0 }), { name: "RangeError", message: /ttlMs/ });
      await assert.rejects(memory.add("key", 1, { session: any(1) }), { name: "TypeError", message: /session/ });
      await assert.rejects(memory.add("x".repeat(2000), 1), { name: "RangeError", message: /key/ });
      await assert.rejects(memory.update("key", () => any(() => {})), { name: "TypeError" });
      await assert.rejects(memory.update("key", () => Promise.reject(new Error("mine"))), { message: "mine" });
      const circle: Record<string, unknown> = {};
      circle.self = circle;
      await assert.rejects(memory.addMany([{ key: "a", value: 1 }, { key: "b", value: any(circle) }]), {
        name: "TypeError",
      });
      assert.deepEqual([await memory.keys(), await memory.get("key")], [["key"], "before"]);
    },
  },
  {
    name: "memory: closing ends its watches, and its backend lives on",
    run: async ({ backend }) => {
      const memory = memoryOn(backend);
      await memory.watch(() => {});
      const adding = memory.add("last", 1);
      await Promise.all([memory.close(), memory.close()]);
      await adding;
      await assert.rejects(memory.add("late", 1), { code: "BACKEND_CLOSED" });
      await assert.rejects(memory.search("late"), { code: "BACKEND_CLOSED" });
      assert.equal(await memoryOn(backend).get("last"), 1);
    },
  },
  {
    name: "memory: it outlives the process",
    needs: ["durable"],
    run: async ({ backend, reopen }) => {
      await memoryOn(backend).add("kept", { text: "otters hold hands" });
      const again = memoryOn(await reopen());
      assert.deepEqual((await again.search("otters")).map(({ key }) => key), ["kept"]);
    },
  },
];

/** A memory on a backend that outlives it. */
export function memoryOn(backend: StorageBackend, options: MemoryOptions = {}): Memory {
  return new Memory({
    open: () => Promise.resolve(backend),
    info: () => ({ backend: backend.name, usingRedis: false, fallbackAvailable: false, reason: null, pending: 0 }),
    close: () => Promise.resolve(),
  }, options);
}
