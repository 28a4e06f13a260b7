/** Cases: a search finds the same, in the same order, on every backend, and never what is not there. @module */

import assert from "node:assert/strict";
import type { Embedder, SearchHit } from "../../memory/model.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import { rejection } from "../steps.ts";
import { memoryOn } from "./memory.ts";
import { collect } from "../../storage/es2024.ts";

/** Cases about searching, on any backend. */
export const memorySearchCases: readonly ConformanceCase[] = [
  {
    name: "memory search: an entry is found as soon as it is added, and no longer once it is gone",
    run: async ({ backend }) => {
      const memory = memoryOn(backend);
      for (let round = 0; round < 5; round++) {
        await memory.add("key", { text: "a heron in the reeds" });
        assert.deepEqual(keysOf(await memory.search("herons")), ["key"]);
        await memory.add("key", { text: "an otter in the river" });
        assert.deepEqual(keysOf(await memory.search("heron")), []);
        assert.deepEqual(keysOf(await memory.search("otters")), ["key"]);
        await memory.update("key", () => ({ text: "a kingfisher" }));
        assert.deepEqual(keysOf(await memory.search("kingfisher")), ["key"]);
        if (round % 2 === 0) await memory.delete("key");
        else await memory.clear();
        assert.deepEqual(keysOf(await memory.search("heron otter kingfisher")), []);
      }
    },
  },
  {
    name: "memory search: what another process wrote is found, and what it deleted is not",
    needs: ["shared"],
    run: async ({ backend, peer }) => {
      const [ours, theirs] = [memoryOn(backend), memoryOn(await peer())];
      for (let round = 0; round < 10; round++) {
        await theirs.add(`key${round}`, { text: "a heron" });
        assert.equal((await ours.search("heron", { limit: 100 })).length, round % 2 + 1);
        if (round % 2 === 1) {
          await theirs.delete(`key${round}`);
          await theirs.delete(`key${round - 1}`);
        }
      }
      assert.deepEqual(await ours.search("heron"), []);
    },
  },
  {
    name: "memory search: the best come first, with the words that they hold",
    run: async ({ backend }) => {
      const memory = memoryOn(backend);
      await memory.addMany([
        { key: "boat", value: { text: "The boats were moored by the river" } },
        { key: "river", value: { title: "Rivers", text: "A river of rivers, and a boat" } },
        { key: "walk", value: { text: "We walked along the canal", tags: ["river", "evening"] } },
        { key: "none", value: { river: "the name of a field is no text" } },
        { key: "number", value: { count: 5 } },
      ]);
      const hits = await memory.search("rivers and boating");
      assert.deepEqual(hits.map(({ key, matched }) => [key, matched]), [
        ["river", ["rivers", "boating"]],
        ["boat", ["rivers", "boating"]],
        ["walk", ["rivers"]],
      ]);
      assert.deepEqual(keysOf(await memory.search("cana")), ["walk"]);
      assert.deepEqual(keysOf(await memory.search("cana ")), []);
      assert.deepEqual(await memory.search("the and of"), []);
      assert.deepEqual(await memory.search(""), []);
      assert.deepEqual(keysOf(await memory.search("river", { limit: 1 })), ["river"]);
      assert.deepEqual(await memory.search("river", { limit: 0 }), []);
    },
  },
  {
    name: "memory search: equals come the last one first",
    run: async ({ backend }) => {
      const memory = memoryOn(backend);
      for (const key of ["b", "a", "c"]) await memory.add(key, "the same heron");
      assert.deepEqual(keysOf(await memory.search("heron")), ["c", "a", "b"]);
      assert.deepEqual(keysOf(await memory.search("HER", { mode: "substring" })), ["c", "a", "b"]);
      await memory.update("b", (value) => value);
      assert.deepEqual(keysOf(await memory.search("heron")), ["b", "c", "a"]);
    },
  },
  {
    name: "memory search: entries of a conversation are ranked with what stands beside them",
    run: async ({ backend }) => {
      const memory = memoryOn(backend);
      const talk = ["we saw a heron", "where was it", "by the old mill", "nice", "and then it rained"];
      for (const [turn, text] of talk.entries()) await memory.add(`talk:${turn}`, text);
      for (const [turn, text] of ["we drove", "to a mill", "and back"].entries()) {
        await memory.add(`trip:${turn}`, text);
      }
      assert.deepEqual(keysOf(await memory.search("heron mill")), ["talk:0", "talk:2", "trip:1"]);
      const all = keysOf(await memory.search("heron", { neighbours: true, limit: 10 }));
      assert.deepEqual(all, ["talk:0", "talk:1", "talk:2", "talk:4", "talk:3"]);
      const plain = await memory.search("mill", { context: false });
      assert.deepEqual(keysOf(plain), ["trip:1", "talk:2"]);
      const [best, second] = await memory.searchSessions("heron mill");
      assert.deepEqual([best?.session, best?.best.key, second?.session], ["talk", "talk:0", "trip"]);
    },
  },
  {
    name: "memory search: documents below one prefix are no conversation, and are ranked by their own words",
    run: async ({ backend }) => {
      const memory = memoryOn(backend);
      const page = "sediment river delta basin gravel ".repeat(20);
      for (const name of ["heron", "otter", "heron heron", "rain"]) await memory.add(`page:${name}`, `${page} ${name}`);
      const hits = await memory.search("heron");
      assert.deepEqual(hits, await memory.search("heron", { context: false }));
      assert.deepEqual(keysOf(hits), ["page:heron heron", "page:heron"]);
      await memory.add("page:given", { text: "otter" }, { session: "page" });
      assert.deepEqual(keysOf(await memory.search("rain", { limit: 9, neighbours: true })).length, 5);
    },
  },
  {
    name: "memory search: filters on keys, times and fields leave out what does not fit",
    run: async ({ backend }) => {
      const memory = memoryOn(backend);
      await memory.addMany([
        { key: "a:1", value: { text: "heron", who: "ada", tags: ["x", "y"], n: 1 } },
        { key: "a:2", value: { text: "heron", who: "bob", tags: ["y"], n: null } },
        { key: "b:1", value: { text: "heron", who: "ada", n: 2, deep: { who: "bob" } } },
        { key: "c", value: { text: "heron", who: "ada ".repeat(50) } },
        { key: "d", value: "heron" },
      ]);
      const find = async (options: Parameters<typeof memory.search>[1]) =>
        keysOf(await memory.search("heron", { limit: 10, context: false, ...options })).sort();
      assert.deepEqual(await find({ prefix: "a:" }), ["a:1", "a:2"]);
      assert.deepEqual(await find({ where: { who: "ada" } }), ["a:1", "b:1"]);
      assert.deepEqual(await find({ where: { who: ["ada", "bob"], tags: "y" } }), ["a:1", "a:2"]);
      assert.deepEqual(await find({ where: { n: [1, null] } }), ["a:1", "a:2"]);
      assert.deepEqual(await find({ where: { who: "ada ".repeat(50) } }), ["c"]);
      assert.deepEqual(await find({ where: { who: "ada" }, limit: 1, prefix: "b" }), ["b:1"]);
      assert.deepEqual(await find({ where: { who: "eve" } }), []);
      assert.deepEqual(await find({ where: { who: "ada" }, mode: "substring" }), ["a:1", "b:1"]);
      const [entry] = await collect(memory.entries({ limit: 1 }));
      const atMs = entry?.updatedAtMs ?? 0;
      assert.deepEqual(await find({ sinceMs: atMs + 3_600_000 }), []);
      assert.equal((await find({ sinceMs: atMs - 3_600_000, untilMs: atMs + 3_600_000 })).length, 5);
      assert.deepEqual(await find({ untilMs: atMs - 3_600_000 }), []);
    },
  },
  {
    name: "memory search: with an embedder, what means the same is found too",
    run: async ({ backend }) => {
      const memory = memoryOn(backend, { embedder: colours });
      await memory.addMany([
        { key: "rose", value: "a crimson rose" },
        { key: "sky", value: "an azure sky" },
        { key: "grass", value: "green grass" },
        { key: "brick", value: "a red brick" },
      ]);
      assert.deepEqual(keysOf(await memory.search("scarlet", { mode: "semantic", limit: 2 })).sort(), [
        "brick",
        "rose",
      ]);
      assert.deepEqual(keysOf(await memory.search("scarlet", { mode: "keyword" })), []);
      assert.equal((await memory.search("red sky", { limit: 1 }))[0]?.key, "brick");
      const again = memoryOn(backend, { embedder: colours });
      assert.deepEqual(await again.search("red sky"), await memory.search("red sky"));
      // Who has no embedder, or another one, still finds words.
      assert.deepEqual(keysOf(await memoryOn(backend).search("brick")), ["brick"]);
      const wider = memoryOn(backend, {
        embedder: { dimensions: 5, embed: (texts) => texts.map(() => [1, 0, 0, 0, 0]) },
      });
      assert.deepEqual(keysOf(await wider.search("brick")), ["brick"]);
    },
  },
  {
    name: "memory search: an embedder that fails is told of, and nothing is lost",
    run: async ({ backend }) => {
      const good = memoryOn(backend, { embedder: colours });
      await good.add("kept", "red");
      const faults: Embedder["embed"][] = [
        () => {
          throw new Error("out of credits");
        },
        () => Promise.reject(new Error("out of credits")),
        () => [],
        () => [[1, 0]],
        () => [[1, NaN, 0]],
        // deno-lint-ignore no-explicit-any -- what an embedder without types may give
        () => "vectors" as any,
        // deno-lint-ignore no-explicit-any -- as above
        (texts) => texts.map(() => null) as any,
      ];
      for (const embed of faults) {
        const bad = memoryOn(backend, { embedder: { dimensions: 3, embed } });
        for (
          const call of [() => bad.add("kept", "blue"), () => bad.search("red"), () => bad.update("kept", () => 1)]
        ) {
          const error = await rejection(call);
          assert.equal("code" in error && error.code, "EMBEDDING_FAILED", String(error));
          assert.ok(error.cause instanceof Error);
        }
        assert.deepEqual(keysOf(await bad.search("red", { mode: "keyword" })), ["kept"]);
      }
      assert.equal(await good.get("kept"), "red");
      let given: AbortSignal | undefined;
      const silent: Embedder = {
        dimensions: 3,
        embed: (_texts, signal) => {
          given = signal;
          return new Promise(() => {});
        },
      };
      const error = await rejection(() =>
        memoryOn(backend, { embedder: silent, embedTimeoutMs: 5 }).add("kept", "blue")
      );
      assert.equal("code" in error && error.code, "EMBEDDING_FAILED", String(error));
      assert.equal(given?.aborted, true, "the embedder is told that nobody waits");
      assert.equal(await good.get("kept"), "red");
    },
  },
  {
    name: "memory search: the evidence that is recalled fits its budget and stands in the order of time",
    run: async ({ backend }) => {
      const memory = memoryOn(backend);
      const texts = ["heron one", "rain", "heron heron two", "fog", "heron three ".repeat(20), "sun"];
      for (const [turn, text] of texts.entries()) await memory.add(`${turn}`, { text });
      const { hits, tokens } = await memory.recall("heron", { maxTokens: 20 });
      assert.deepEqual(keysOf(hits), ["0", "2"]);
      assert.equal(tokens, 3 + 4);
      assert.deepEqual(keysOf((await memory.recall("heron", { maxTokens: 1000 })).hits), ["0", "2", "4"]);
      const counted = await memory.recall("heron", { maxTokens: 2, countTokens: () => 1 });
      assert.deepEqual([counted.hits.length, counted.tokens], [2, 2]);
      assert.deepEqual(await memory.recall("heron", { maxTokens: 0 }), { hits: [], tokens: 0 });
    },
  },
  {
    name: "memory search: many entries, written and deleted at once, are all known in the end",
    run: async ({ backend }) => {
      const [writer, reader] = [memoryOn(backend), memoryOn(backend)];
      const names = Array.from({ length: 250 }, (_, index) => `k${index}`);
      await Promise.all([
        writer.addMany(names.map((key, index) => ({ key, value: `heron ${index % 2 ? "odd" : "even"}` }))),
        reader.search("heron"),
      ]);
      await Promise.all([
        ...names.slice(0, 20).map((key) => writer.delete(key)),
        ...names.slice(20, 40).map((key) => writer.add(key, "heron even", { ttlMs: LONG_MS })),
        reader.search("heron"),
      ]);
      for (const memory of [reader, writer, memoryOn(backend)]) {
        assert.equal((await memory.search("heron", { limit: 1000 })).length, 230);
        assert.equal((await memory.search("odd", { limit: 1000 })).length, 105);
      }
    },
  },
  {
    name: "memory search: a query may be anything, as long as it is text",
    run: async ({ backend }) => {
      const memory = memoryOn(backend);
      await memory.add("key", { text: "a heron, *.+?^${}()|[]\\ 100% of it" });
      const hostile = [
        "(a+)+$",
        "\u0000",
        "\ud800",
        "*",
        "'; DROP TABLE records",
        "%",
        "__proto__",
        "constructor",
        "\\",
      ];
      for (const query of hostile) {
        await memory.search(query);
        await memory.search(query, { mode: "substring" });
        await memory.searchSessions(query);
      }
      assert.deepEqual(keysOf(await memory.search("[]\\", { mode: "substring" })), ["key"]);
      const long = "heron ".repeat(17_000);
      assert.deepEqual(keysOf(await memory.search(long)), ["key"]);
      assert.deepEqual(await memory.search("ab".repeat(50_000), { mode: "substring" }), []);
      assert.deepEqual(await memory.search("ab".repeat(50_000)), []);
      // deno-lint-ignore no-explicit-any -- what a caller without types may pass
      const any = (value: any) => value;
      await assert.rejects(memory.search(any(5)), { name: "TypeError", message: /query/ });
      await assert.rejects(memory.search("x", { limit: -1 }), { name: "RangeError", message: /limit/ });
      await assert.rejects(memory.search("x", { mode: any("magic") }), { name: "TypeError", message: /mode/ });
      await assert.rejects(memory.search("x", { mode: "semantic" }), { name: "TypeError", message: /embedder/ });
      await assert.rejects(memory.search("x", { where: any({ a: {} }) }), { name: "TypeError", message: /where\.a/ });
      await assert.rejects(memory.search("x", { where: any([]) }), { name: "TypeError", message: /where/ });
      await assert.rejects(memory.search("x", { halfLifeMs: 0 }), { name: "RangeError", message: /halfLifeMs/ });
      await assert.rejects(memory.searchSessions("x", { mode: "substring" }), { name: "TypeError", message: /mode/ });
      await assert.rejects(memory.recall("x", any({})), { name: "TypeError", message: /maxTokens/ });
    },
  },
];

function keysOf(hits: readonly SearchHit[]): string[] {
  return hits.map(({ key }) => key);
}

/** Knows the meaning of colours, and of nothing else. */
const colours: Embedder = {
  dimensions: 3,
  embed: (texts) =>
    texts.map((text) => [
      /red|crimson|scarlet/.test(text) ? 1 : 0.1,
      /green/.test(text) ? 1 : 0.1,
      /blue|azure/.test(text) ? 1 : 0.1,
    ]),
};
