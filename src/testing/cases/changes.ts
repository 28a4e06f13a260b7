/** Cases: `changes` tells a reader, from any point on, all that it takes to know what the store holds. @module */

import assert from "node:assert/strict";
import type { Changes, DeleteOperation, Entry, SetOperation, StorageBackend } from "../../storage/backend.ts";
import { collect } from "../../storage/es2024.ts";
import type { JsonValue } from "../../storage/json.ts";
import { encodeKey, type Key } from "../../storage/key.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import { randomIntegers } from "../random.ts";
import { commit, commitMany, record, refuse } from "../steps.ts";

const PARENT: Key = ["memory", "a"];

/** Cases about `changes`. */
export const changeCases: readonly ConformanceCase[] = [
  {
    name: "changes() tells of the tracked records right below the parent, in the order of writing",
    run: async ({ backend }) => {
      await commit(backend, [tracked("b", 1), tracked("a", 2), record([...PARENT, "plain"], 3)]);
      await commit(backend, [
        { ...tracked("x", 4), key: [...PARENT, "deeper", "x"] },
        { ...tracked("x", 5), key: ["memory", "ab", "x"] },
        { ...tracked("x", 6), key: PARENT },
        tracked("c", 7),
      ]);
      const page = await changesOf(backend);
      assert.deepEqual(page.entries.map(({ key, value }) => [key[2], value]), [["b", 1], ["a", 2], ["c", 7]]);
      assert.deepEqual([page.deleted, page.more, page.reset], [[], false, true]);
      assert.deepEqual(page.entries.map((entry) => entry.tracked), [true, true, true]);
      assert.deepEqual(await backend.get([[...PARENT, "a"]]), [page.entries[1]]);
    },
  },
  {
    name: "changes() behind a cursor tells of what came later, and of each record once",
    run: async ({ backend }) => {
      await commit(backend, [tracked("a", 1), tracked("b", 1)]);
      const { cursor } = await changesOf(backend);
      const nothing = await changesOf(backend, cursor);
      assert.deepEqual([nothing.entries, nothing.deleted, nothing.more, nothing.reset], [[], [], false, false]);
      await commit(backend, [tracked("a", 2)]);
      await commit(backend, [tracked("c", 3)]);
      await commit(backend, [tracked("a", 4)]);
      const { entries, reset } = await changesOf(backend, cursor);
      assert.deepEqual([entries.map(({ key, value }) => [key[2], value]), reset], [[["c", 3], ["a", 4]], false]);
      assert.deepEqual((await changesOf(backend, nothing.cursor)).entries, entries, "an older cursor still holds");
    },
  },
  {
    name: "changes() tells of deletions, and of records that are tracked no longer",
    run: async ({ backend }) => {
      await commit(backend, [tracked("a", 1), tracked("b", 1), tracked("c", 1), tracked("d", 1)]);
      const { cursor } = await changesOf(backend);
      await commit(backend, [remove("a"), remove("never"), record([...PARENT, "b"], 2)]);
      await commit(backend, [remove("c")]);
      await commit(backend, [tracked("c", 3)]);
      const { entries, deleted, reset } = await changesOf(backend, cursor);
      assert.equal(reset, false);
      // Deletions are applied first, so that it does no harm when the first end of "c" is among them.
      const gone = deleted.map((key) => key[2]).filter((name) => name !== "c").sort();
      assert.deepEqual([gone, entries.map(({ key, value }) => [key[2], value])], [["a", "b"], [["c", 3]]]);
    },
  },
  {
    name: "changes() says nothing of a batch that was refused",
    run: async ({ backend }) => {
      await commit(backend, [tracked("a", 1)]);
      const { cursor } = await changesOf(backend);
      await refuse(
        backend,
        {
          checks: [{ key: ["none"], version: "1" }],
          operations: [tracked("a", 2), tracked("b", 2), remove("c")],
        },
        "conflict",
        0,
      );
      const { entries, deleted } = await changesOf(backend, cursor);
      assert.deepEqual([entries, deleted], [[], []]);
    },
  },
  {
    name: "changes() begins from the start when it does not know the cursor",
    run: async ({ backend }) => {
      await commit(backend, [tracked("a", 1)]);
      for (const unknown of ["", "0", "nonsense", "1.2.3", "-1", "999999999999", "x".repeat(200)]) {
        const { entries, reset } = await changesOf(backend, unknown);
        assert.deepEqual([entries.length, reset], [1, true], unknown);
      }
    },
  },
  {
    name: "changes() leaves out what has expired, and says when the others will",
    run: async ({ backend, shortMs, elapse }) => {
      await commit(backend, [tracked("brief", 1, shortMs), tracked("long", 1, LONG_MS), tracked("stays", 1)]);
      const before = await changesOf(backend);
      const [brief, long, stays] = before.entries;
      assert.ok(brief?.expiresAtMs && brief.expiresAtMs > before.nowMs && brief.expiresAtMs <= before.nowMs + shortMs);
      assert.ok(long?.expiresAtMs && stays && stays.expiresAtMs === undefined);
      await elapse(shortMs);
      const after = await changesOf(backend);
      assert.deepEqual(after.entries.map(({ key }) => key[2]), ["long", "stays"]);
      assert.ok(after.nowMs >= brief.expiresAtMs);
      await commit(backend, [tracked("brief", 2)]);
      assert.deepEqual((await changesOf(backend, before.cursor)).entries.map(({ value }) => value), [2]);
    },
  },
  {
    name: "changes() lets a reader follow, whatever is written, deleted and cleared, from any cursor on",
    run: async ({ backend }) => {
      const random = randomIntegers(11);
      const eager = new Mirror(backend);
      const mirrors = [eager];
      for (let step = 0; step < 150; step++) {
        const name = `k${random(12)}`;
        const kind = random(20);
        if (kind === 0) await backend.clear(PARENT);
        else if (kind === 1) await backend.clear(["memory"]);
        else if (kind < 6) await commit(backend, [remove(name)]);
        else if (kind === 6) await commit(backend, [record([...PARENT, name], "plain")]);
        else await commit(backend, [tracked(name, step), { ...tracked(name, step), key: ["memory", "other", name] }]);
        await eager.follow();
        if (step % 25 === 0) mirrors.push(new Mirror(backend));
        const lazy = mirrors[random(mirrors.length)];
        await lazy?.follow();
        assert.deepEqual(lazy?.state(), await stateOf(backend), `after step ${step}`);
      }
      for (const mirror of mirrors) {
        await mirror.follow();
        assert.deepEqual(mirror.state(), await stateOf(backend));
      }
    },
  },
  {
    name: "changes() comes in pages, to which writes in the meantime do no harm",
    run: async ({ backend }) => {
      const all = Array.from({ length: 2300 }, (_, index) => tracked(`k${index}`, index));
      await commitMany(backend, all);
      const mirror = new Mirror(backend);
      let pages = 1;
      while (await mirror.step()) {
        const name = `k${(pages * 997) % 2300}`;
        await commit(backend, pages % 2 === 0 ? [remove(name)] : [tracked(name, "again"), tracked(`new${pages}`, 1)]);
        pages++;
        assert.ok(pages < 100, "the pages come to an end");
      }
      assert.ok(pages > 1, "2,300 records are more than a page");
      await mirror.follow();
      assert.deepEqual(mirror.state(), await stateOf(backend));
      assert.equal(mirror.resets, 1);
    },
  },
  {
    name: "changes() may forget deletions, and begins from the start for who has not read them",
    run: async ({ backend }) => {
      await commit(backend, [tracked("stays", 1)]);
      const [slow, late] = [new Mirror(backend), new Mirror(backend)];
      await slow.follow();
      for (let round = 0; round < 60; round++) {
        await commitMany(backend, Array.from({ length: 100 }, (_, index) => tracked(`k${index}`, round)));
        await commitMany(backend, Array.from({ length: 100 }, (_, index) => remove(`k${index}`)));
      }
      await slow.follow();
      await late.follow();
      assert.deepEqual([slow.state(), late.state()], [["stays 1"], ["stays 1"]]);
    },
  },
  {
    name: "changes() tells another process of a commit as soon as that has resolved",
    needs: ["shared"],
    run: async ({ backend, peer }) => {
      const mirror = new Mirror(await peer());
      for (let step = 0; step < 20; step++) {
        await commit(backend, [step % 3 === 2 ? remove(`k${step - 1}`) : tracked(`k${step}`, step)]);
        await mirror.follow();
        assert.deepEqual(mirror.state(), await stateOf(backend));
      }
    },
  },
  {
    name: "set refuses a tracked that is no boolean",
    run: async ({ backend }) => {
      // deno-lint-ignore no-explicit-any -- what a caller without types may pass
      const operation: any = { ...tracked("a", 1), tracked: 1 };
      await assert.rejects(backend.commit({ operations: [operation] }), { name: "TypeError", message: /tracked/ });
    },
  },
];

function changesOf(backend: StorageBackend, after?: string): Promise<Changes> {
  return backend.changes(PARENT, after);
}

function tracked(name: string, value: JsonValue, expiresInMs?: number): SetOperation {
  return {
    type: "set",
    key: [...PARENT, name],
    value,
    tracked: true,
    ...(expiresInMs !== undefined && { expiresInMs }),
  };
}

function remove(name: string): DeleteOperation {
  return { type: "delete", key: [...PARENT, name] };
}

/** What is stored below the parent and tracked, as text, in order. */
async function stateOf(backend: StorageBackend): Promise<string[]> {
  const entries = await collect(backend.list(PARENT));
  return entries.filter((entry) => entry.tracked).map(describe).sort();
}

function describe({ key, value }: Entry): string {
  return `${key[2]} ${value}`;
}

/** A reader that knows only what `changes` told it. */
class Mirror {
  /** How often it had to begin from the start. */
  resets = 0;
  readonly #backend: StorageBackend;
  readonly #known = new Map<string, Entry>();
  #cursor: string | undefined;

  constructor(backend: StorageBackend) {
    this.#backend = backend;
  }

  /** Reads one page and tells whether there is another one. */
  async step(): Promise<boolean> {
    const { entries, deleted, cursor, more, reset } = await changesOf(this.#backend, this.#cursor);
    if (reset) {
      this.#known.clear();
      this.resets++;
    }
    for (const key of deleted) this.#known.delete(encodeKey(key));
    for (const entry of entries) this.#known.set(encodeKey(entry.key), entry);
    this.#cursor = cursor;
    return more;
  }

  async follow(): Promise<void> {
    for (let pages = 0; await this.step(); pages++) assert.ok(pages < 1000, "the pages come to an end");
  }

  state(): string[] {
    return [...this.#known.values()].map(describe).sort();
  }
}
