/** Cases: listings are in the order of keys, strictly below a prefix, and pass over any page size. @module */

import assert from "node:assert/strict";
import type { StorageBackend } from "../../storage/backend.ts";
import { collect } from "../../storage/es2024.ts";
import type { Key } from "../../storage/key.ts";
import type { ConformanceCase } from "../case.ts";
import { commit, commitMany, listKeys, record } from "../steps.ts";

/** Cases about listings of records. */
export const listCases: readonly ConformanceCase[] = [
  {
    name: "list() goes by the UTF-8 bytes of the keys, part by part",
    run: async ({ backend }) => {
      const ordered: readonly Key[] = [
        [""],
        ["", "a"],
        ["\0"],
        ["\x01"],
        ["\x02"],
        ["\x03"],
        ["A"],
        ["a"],
        ["a", ""],
        ["a", "\0"],
        ["a", "b"],
        ["a", "b", "c"],
        ["a", "\u{1F600}"],
        ["a\0"],
        ["a\0", "a"],
        ["a-"],
        ["ab"],
        ["\x7f"],
        ["\x80"],
        ["\xff"],
        ["\u07ff"],
        ["\ud7ff"],
        ["\ue000"],
        ["\uffff"],
        ["\u{10000}"], // UTF-16 would put the astral characters before U+E000
        ["\u{1F600}"],
        ["\u{10FFFF}"],
        ["\u{10FFFF}", "a"],
        ["\u{10FFFF}\u{10FFFF}\u{10FFFF}"],
      ];
      await commitMany(backend, shuffled(ordered).map((key) => record(key, 1)));
      assert.deepEqual(await listKeys(backend, []), ordered);
      const reversed = await collect(backend.list([], { reverse: true }));
      assert.deepEqual(reversed.map(({ key }) => key), ordered.toReversed());
    },
  },
  {
    name: "list() never gives a neighbour whose name begins alike: tenant/acme is not tenant/acme-corp",
    run: async ({ backend }) => {
      const below: readonly Key[] = [["t", "acme", ""], ["t", "acme", "\u{10FFFF}"], ["t", "acme", "x", "y"]];
      const beside: readonly Key[] = [["t"], ["t", "acme"], ["t", "acme-corp", "x"], ["t", "acm"], [
        "t",
        "acme\0",
        "x",
      ]];
      const alike: readonly Key[] = [["t", "acme\x01", "x"], ["t", "acme\x02", "x"], ["t", "acme/x"], [
        "t",
        "ACME",
        "x",
      ]];
      await commitMany(backend, [...beside, ...alike, ...below].map((key) => record(key, 1)));
      assert.deepEqual(await listKeys(backend, ["t", "acme"]), [below[0], below[2], below[1]]);
      assert.equal(await backend.count(["t", "acme"]), 3);
      assert.equal(await backend.clear(["t", "acme"]), 3);
      assert.equal(await backend.count([]), beside.length + alike.length);
    },
  },
  {
    name: "list() gives 2,500 records, each once, forwards and backwards",
    run: async ({ backend }) => {
      const keys = await fill(backend, 2500);
      assert.deepEqual(await listKeys(backend, ["n"]), keys);
      const reversed = await collect(backend.list(["n"], { reverse: true }));
      assert.deepEqual(reversed.map(({ key }) => key), keys.toReversed());
      const part = await collect(backend.list(["n"], { limit: 1234 }));
      assert.deepEqual(part.map(({ key }) => key), keys.slice(0, 1234));
    },
  },
  {
    name: "list() goes on behind `after`, in its direction, also where that key is gone",
    run: async ({ backend }) => {
      const [a, b, c, d]: readonly Key[] = [["p", "a"], ["p", "b"], ["p", "c", "x"], ["p", "d"]];
      assert.ok(a && b && c && d);
      await commit(backend, [record(["o"], 0), ...[a, b, c, d].map((key) => record(key, 1)), record(["q"], 2)]);
      const after = async (key: Key, reverse: boolean, limit = Infinity) =>
        (await collect(backend.list(["p"], { after: key, reverse, limit }))).map((entry) => entry.key);
      assert.deepEqual(await after(b, false), [c, d]);
      assert.deepEqual(await after(b, true), [a]);
      assert.deepEqual(await after(["p", "c"], false), [c, d]);
      assert.deepEqual(await after(["p", "c"], true), [b, a]);
      assert.deepEqual(await after(a, false, 2), [b, c]);
      assert.deepEqual(await after(d, true, 1), [c]);
      assert.deepEqual(await after(d, false), []);
      assert.deepEqual(await after(a, true), []);
      // A key outside of the prefix does not let its neighbours in.
      assert.deepEqual(await after(["n"], false), [a, b, c, d]);
      assert.deepEqual(await after(["n"], true), []);
      assert.deepEqual(await after(["r"], true), [d, c, b, a]);
      assert.deepEqual(await after(["r"], false), []);
    },
  },
  {
    name: "list() gives at most `limit` records, none for 0",
    run: async ({ backend }) => {
      const keys = await fill(backend, 10);
      assert.deepEqual(await collect(backend.list(["n"], { limit: 0 })), []);
      const three = await collect(backend.list(["n"], { limit: 3, reverse: true }));
      assert.deepEqual(three.map(({ key }) => key), keys.slice(-3).reverse());
      assert.equal((await collect(backend.list(["n"], { limit: 11 }))).length, 10);
    },
  },
  {
    name: "list() can be left early, and gives each record that stays once while others are written",
    run: async ({ backend }) => {
      const keys = await fill(backend, 1500);
      for await (const { key } of backend.list(["n"])) {
        assert.deepEqual(key, keys[0]);
        break;
      }
      const seen: Key[] = [];
      for await (const { key } of backend.list(["n"])) {
        seen.push(key);
        if (seen.length % 50 === 0) {
          await commit(backend, [{ type: "delete", key }, record(["m", seen.length.toString()], 1)]);
        }
      }
      assert.deepEqual(seen, keys);
    },
  },
];

/** Stores that many records below `["n"]`, and gives their keys in order. */
async function fill(backend: StorageBackend, count: number): Promise<Key[]> {
  const keys = Array.from({ length: count }, (_, index): Key => ["n", String(index).padStart(5, "0")]);
  await commitMany(backend, shuffled(keys).map((key) => record(key, key.length)));
  return keys;
}

/** The items in another order, the same every time: a stride that is prime to every length used here. */
function shuffled<Item>(items: readonly Item[]): Item[] {
  return items.map((_, index) => items[(index * 7919) % items.length]).filter((item) => item !== undefined);
}
