/** Cases: records are stored, read, replaced, deleted and counted. @module */

import assert from "node:assert/strict";
import { collect } from "../../storage/es2024.ts";
import type { JsonValue } from "../../storage/json.ts";
import type { Key } from "../../storage/key.ts";
import type { ConformanceCase } from "../case.ts";
import { commit, commitMany, entryOf, listKeys, record, valueOf } from "../steps.ts";

/** Cases about records. */
export const recordCases: readonly ConformanceCase[] = [
  {
    name: "get() gives the records in the order asked for, null where there is none",
    run: async ({ backend }) => {
      await commit(backend, [record(["a"], 1), record(["b"], { two: [2] })]);
      const entries = await backend.get([["b"], ["none"], ["a"], ["b"], ["a", ""]]);
      assert.deepEqual(entries.map((entry) => entry?.value ?? null), [{ two: [2] }, null, 1, { two: [2] }, null]);
      assert.deepEqual(entries[0]?.key, ["b"]);
      assert.equal(entries[0]?.expiresAtMs, undefined);
      assert.deepEqual(await backend.get([]), []);
    },
  },
  {
    name: "get() reads 1,200 records in one call",
    run: async ({ backend }) => {
      const keys = Array.from({ length: 1200 }, (_, index): Key => ["many", String(index)]);
      await commitMany(backend, keys.map((key, index) => record(key, index)));
      const entries = await backend.get(keys);
      assert.deepEqual(entries.map((entry) => entry?.value), keys.map((_, index) => index));
    },
  },
  {
    name: "set replaces the value, and no version of a key is used twice",
    run: async ({ backend }) => {
      const versions = new Set<string>();
      for (let round = 0; round < 10; round++) {
        const [result] = await commit(backend, [record(["key"], round % 2)]);
        assert.ok(result?.type === "set");
        const entry = await entryOf(backend, ["key"]);
        assert.equal(entry.version, result.version);
        assert.equal(entry.value, round % 2);
        versions.add(result.version);
        if (round % 3 === 2) await commit(backend, [{ type: "delete", key: ["key"] }]);
      }
      assert.equal(versions.size, 10);
    },
  },
  {
    name: "delete tells whether there was a record",
    run: async ({ backend }) => {
      await commit(backend, [record(["key"], null)]);
      assert.equal(await valueOf(backend, ["key"]), null);
      assert.deepEqual(await commit(backend, [{ type: "delete", key: ["key"] }]), [{ type: "delete", existed: true }]);
      assert.deepEqual(await commit(backend, [{ type: "delete", key: ["key"] }]), [{ type: "delete", existed: false }]);
      assert.deepEqual(await backend.get([["key"]]), [null]);
      assert.deepEqual(await listKeys(backend, []), []);
    },
  },
  {
    name: "a stored value is a copy: what is done to the given or the returned one changes nothing",
    run: async ({ backend }) => {
      const given = { list: [1], nested: { name: "before" } };
      const committing = commit(backend, [record(["key"], given)]);
      given.nested.name = "while under way";
      await committing;
      given.list.push(2);
      const first: JsonValue = await valueOf(backend, ["key"]);
      const written = (first as { nested: { name: string } }).nested.name;
      (first as { list: number[] }).list.push(3);
      assert.deepEqual(await valueOf(backend, ["key"]), { list: [1], nested: { name: "before" } });
      assert.equal(written, "before");
      for (const entry of await collect(backend.list([]))) (entry.value as { list: number[] }).list.push(4);
      assert.deepEqual(await valueOf(backend, ["key"]), { list: [1], nested: { name: "before" } });
    },
  },
  {
    name: "count() counts what is below the prefix and nothing else",
    run: async ({ backend }) => {
      await commit(backend, PEOPLE.map((key) => record(key, 1)));
      assert.equal(await backend.count([]), PEOPLE.length);
      assert.equal(await backend.count(["tenant", "acme"]), 2);
      assert.equal(await backend.count(["tenant", "acme", "ann"]), 0);
      assert.equal(await backend.count(["nobody"]), 0);
    },
  },
  {
    name: "clear() deletes what is below the prefix and nothing else, and tells how many",
    run: async ({ backend }) => {
      await commit(backend, PEOPLE.map((key) => record(key, 1)));
      assert.equal(await backend.clear(["tenant", "acme"]), 2);
      assert.equal(await backend.clear(["tenant", "acme"]), 0);
      const left = PEOPLE.filter(([_, tenant, name]) => tenant !== "acme" || name === undefined);
      assert.deepEqual(await listKeys(backend, []), left);
      assert.equal(await backend.clear([]), left.length);
      assert.equal(await backend.count([]), 0);
    },
  },
  {
    name: "clear() deletes 2,500 records, and leaves queues alone",
    run: async ({ backend }) => {
      await commitMany(backend, Array.from({ length: 2500 }, (_, index) => record(["n", String(index)], index)));
      await commit(backend, [record(["m"], "other")]);
      assert.equal(await backend.count(["n"]), 2500);
      assert.equal(await backend.clear(["n"]), 2500);
      assert.deepEqual(await listKeys(backend, []), [["m"]]);
    },
  },
];

// In the order of their keys.
const PEOPLE: readonly Key[] = [
  ["tenant", "acme"],
  ["tenant", "acme", "ann"],
  ["tenant", "acme", "bob"],
  ["tenant", "acme-corp", "eve"],
  ["tenant", "acme:ann"],
  ["tenant/acme", "dan"],
  ["tenantacme", "fay"],
];
