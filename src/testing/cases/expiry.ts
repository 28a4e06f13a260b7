/** Cases: an expired record is never seen again. @module */

import assert from "node:assert/strict";
import { MAX_DURATION_MS } from "../../check.ts";
import { collect } from "../../storage/es2024.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import { commit, commitMany, dump, entryOf, listKeys, record, refuse, valueOf } from "../steps.ts";

/** Cases about records that expire. */
export const expiryCases: readonly ConformanceCase[] = [
  {
    name: "G10 no expired record: get(), list() and count() leave it out",
    run: async ({ backend, shortMs, elapse }) => {
      await commit(backend, [
        record(["r", "brief"], 1, shortMs),
        record(["r", "long"], 2, LONG_MS),
        record(["r", "stays"], 3),
      ]);
      await elapse(shortMs);
      const [brief, long, stays] = await backend.get([["r", "brief"], ["r", "long"], ["r", "stays"]]);
      assert.deepEqual([brief, long?.value, stays?.value], [null, 2, 3]);
      assert.deepEqual(await listKeys(backend, ["r"]), [["r", "long"], ["r", "stays"]]);
      assert.deepEqual((await collect(backend.list([], { limit: 1 }))).map(({ value }) => value), [2]);
      assert.deepEqual((await collect(backend.list([], { reverse: true }))).map(({ value }) => value), [3, 2]);
      assert.equal(await backend.count(["r"]), 2);
    },
  },
  {
    name: "G10 no expired record: delete and clear() do not count it, and a check sees none",
    run: async ({ backend, shortMs, elapse }) => {
      const [result] = await commit(backend, [
        record(["a"], 1, shortMs),
        record(["b", "x"], 2, shortMs),
        record(["c"], 3, shortMs),
      ]);
      assert.ok(result?.type === "set");
      await elapse(shortMs);
      assert.deepEqual(await commit(backend, [{ type: "delete", key: ["a"] }]), [{ type: "delete", existed: false }]);
      assert.equal(await backend.clear([]), 0);
      await refuse(backend, { checks: [{ key: ["a"], version: result.version }], operations: [] }, "conflict", 0);
      await commit(backend, [record(["c"], "new")], [{ key: ["c"], version: null }]);
      assert.equal(await valueOf(backend, ["c"]), "new");
    },
  },
  {
    name: "G10 no expired record: a page that is full of them does not end the listing",
    run: async ({ backend, shortMs, elapse }) => {
      const fleeting = Array.from(
        { length: 300 },
        (_, index) => record(["n", String(index).padStart(4, "0")], 1, shortMs),
      );
      await commitMany(backend, fleeting);
      await commit(backend, [record(["n", "last"], 2), record(["m"], 3)]);
      await elapse(shortMs);
      assert.deepEqual(await listKeys(backend, []), [["m"], ["n", "last"]]);
      assert.deepEqual((await collect(backend.list(["n"], { limit: 1 }))).map(({ value }) => value), [2]);
      assert.deepEqual((await collect(backend.list([], { limit: 2, reverse: true }))).map(({ value }) => value), [
        2,
        3,
      ]);
    },
  },
  {
    name: "set without expiry keeps a record that was to expire, and set with one moves its end",
    run: async ({ backend, shortMs, elapse }) => {
      await commit(backend, [record(["kept"], 1, shortMs), record(["moved"], 1, shortMs), record(["ends"], 1)]);
      await commit(backend, [record(["kept"], 2), record(["moved"], 2, LONG_MS), record(["ends"], 2, shortMs)]);
      await elapse(shortMs);
      assert.deepEqual((await dump(backend)).records.map(({ key, value }) => [key[0], value]), [["kept", 2], [
        "moved",
        2,
      ]]);
      assert.equal((await entryOf(backend, ["kept"])).expiresAtMs, undefined);
      assert.equal(typeof (await entryOf(backend, ["moved"])).expiresAtMs, "number");
    },
  },
  {
    name: "a refused batch does not change when a record expires",
    run: async ({ backend, shortMs, elapse }) => {
      await commit(backend, [record(["brief"], 1, shortMs), record(["long"], 1, LONG_MS)]);
      const operations = [record(["brief"], 2, LONG_MS), record(["long"], 2, shortMs)];
      await refuse(backend, { checks: [{ key: ["none"], version: "1" }], operations }, "conflict", 0);
      await elapse(shortMs);
      assert.deepEqual(await listKeys(backend, []), [["long"]]);
    },
  },
  {
    name: "durations may be fractions of a millisecond, and as long as a hundred years",
    run: async ({ backend }) => {
      await commit(backend, [record(["fraction"], 1, LONG_MS + 0.3), record(["century"], 2, MAX_DURATION_MS)]);
      assert.equal(await backend.count([]), 2);
      const { expiresAtMs = 0 } = await entryOf(backend, ["century"]);
      assert.ok(expiresAtMs > MAX_DURATION_MS, "the end of a century is not cut");
    },
  },
  {
    name: "a record is there until the very moment at which it expires",
    needs: ["injected clock"],
    run: async ({ backend, elapse }) => {
      await commit(backend, [record(["key"], 1, 1000)]);
      const { expiresAtMs } = await entryOf(backend, ["key"]);
      await elapse(999);
      assert.equal((await entryOf(backend, ["key"])).expiresAtMs, expiresAtMs);
      await elapse(1);
      assert.deepEqual(await backend.get([["key"]]), [null]);
    },
  },
];
