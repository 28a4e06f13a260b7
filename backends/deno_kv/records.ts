/** Records: read, listed, counted and cleared, with what has expired filtered out. @module */

import { BackendCorruptError, BackendUnavailableError } from "../../src/errors.ts";
import { randomId } from "../../src/ids.ts";
import type { Entry, ListOptions } from "../../src/storage/backend.ts";
import {
  compareEncoded,
  decodeKey,
  encodedParent,
  encodeKey,
  encodeKeys,
  type Key,
  prefixRange,
} from "../../src/storage/key.ts";
import { decodeFeed, decodeRecord, encodeFeed, type StoredRecord } from "./codec.ts";
import { Draft } from "./draft.ts";
import { MAX_PAGE } from "./driver.ts";
import type { Parts } from "./parts.ts";

/** A record as it is stored, expired or not. */
interface Found extends StoredRecord {
  readonly key: string;
  readonly versionstamp: string;
}

// How many records are read before the first of them is given; each may have pieces to read besides.
const PAGE_SIZE = 100;

const TRACKED = { tracked: true } as const;

// A record in pieces that is replaced during each of so many reads is given up on.
const MAX_READS = 50;

/** Reads and clears records. */
export class Records {
  readonly #parts: Parts;

  /** The records of the store that the parts belong to. */
  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The records with these keys. */
  async get(keys: readonly Key[]): Promise<(Entry | null)[]> {
    const deadlineMs = this.#parts.engine.deadline();
    return await this.#load(await this.#read(encodeKeys(keys), deadlineMs), deadlineMs);
  }

  /** The records of these changes, without those that have changed again. */
  async changed(
    changes: readonly { readonly key: string; readonly number: number }[],
    deadlineMs: number,
  ): Promise<Entry[]> {
    const found = await this.#read(changes.map(({ key }) => key), deadlineMs);
    const current = found.filter((each, index) => each !== null && each.change === changes[index]?.number);
    return (await this.#load(current, deadlineMs)).filter((entry) => entry !== null);
  }

  /** The records below a prefix. */
  async *list(prefix: Key, { limit = Infinity, reverse = false, after }: ListOptions): AsyncGenerator<Entry> {
    let left = limit;
    for (let from = after; left > 0;) {
      const deadlineMs = this.#parts.engine.deadline();
      const page = await this.#page(prefix, { limit: Math.min(left, PAGE_SIZE), reverse, after: from }, deadlineMs);
      for (const entry of await this.#load(page.filter((found) => this.#isAlive(found)), deadlineMs)) {
        if (entry === null) continue; // deleted in the meantime
        yield entry;
        left--;
      }
      const last = page.at(-1);
      if (last === undefined) return;
      from = decodeKey(last.key);
    }
  }

  /** How many records are below a prefix. */
  async count(prefix: Key): Promise<number> {
    let count = 0;
    let after: Key | undefined;
    while (true) {
      const page = await this.#page(prefix, { limit: MAX_PAGE, after }, this.#parts.engine.deadline());
      count += page.filter((found) => this.#isAlive(found)).length;
      const last = page.at(-1);
      if (last === undefined) return count;
      after = decodeKey(last.key);
    }
  }

  /** Deletes the records below a prefix, and tells how many they were. */
  async clear(prefix: Key): Promise<number> {
    const { engine, layout, clock, contents, ranks } = this.#parts;
    let cleared = 0;
    let deadlineMs = engine.deadline();
    for (let conflicts = 0;;) {
      // Each may be of another parent, which takes a check more.
      const page = await this.#page(prefix, { limit: engine.maxChecks / 2 }, deadlineMs);
      if (page.length === 0) return cleared;
      const draft = new Draft(layout, ranks, clock.now());
      for (const { key, versionstamp, content, change } of page) {
        draft.check(`k${key}`, layout.record(key), versionstamp);
        draft.delete(`k${key}`, layout.record(key));
        draft.discard(content);
        const parent = encodedParent(key);
        if (change > 0) draft.delete(`g${parent}${change}`, layout.change(parent, change));
      }
      await this.#sendReadersBack(draft, page, deadlineMs);
      if (await engine.tryCommit((atomic) => draft.build(atomic), deadlineMs) === null) {
        await engine.pause(++conflicts, deadlineMs);
        continue;
      }
      conflicts = 0;
      deadlineMs = engine.deadline(); // for each page that is done, so that clearing much is not a fault
      cleared += page.filter((found) => this.#isAlive(found)).length;
      // What cannot be deleted now is left to a sweep.
      if (draft.garbage.length > 0) await contents.drop(draft.noteId, draft.garbage, deadlineMs).catch(() => {});
    }
  }

  /** Whoever reads the changes of a parent that has lost records begins from the start. */
  async #sendReadersBack(draft: Draft, lost: readonly Found[], deadlineMs: number): Promise<void> {
    const { engine, layout } = this.#parts;
    const parents = [...new Set(lost.filter(({ change }) => change > 0).map(({ key }) => encodedParent(key)))];
    const heads = await engine.read(parents.map((parent) => layout.feed(parent)), deadlineMs);
    for (const [index, parent] of parents.entries()) {
      const { versionstamp = null, value } = heads[index] ?? {};
      if (versionstamp === null) continue;
      draft.check(`f${parent}`, layout.feed(parent), versionstamp);
      draft.set(`f${parent}`, layout.feed(parent), encodeFeed({ epoch: randomId(), last: decodeFeed(value).last }));
    }
  }

  #isAlive({ expiresAtMs }: StoredRecord): boolean {
    return expiresAtMs > this.#parts.clock.now();
  }

  async #read(keys: readonly string[], deadlineMs: number): Promise<(Found | null)[]> {
    const { engine, layout } = this.#parts;
    const entries = await engine.read(keys.map((key) => layout.record(key)), deadlineMs);
    return entries.map(({ versionstamp, value }, index) => {
      if (versionstamp === null) return null;
      const found = { ...decodeRecord(value), key: keys[index] ?? "", versionstamp };
      return this.#isAlive(found) ? found : null;
    });
  }

  async #page(
    prefix: Key,
    { limit, reverse = false, after }: { limit: number; reverse?: boolean; after?: Key | undefined },
    deadlineMs: number,
  ): Promise<Found[]> {
    const { engine, layout } = this.#parts;
    let { from, to } = prefixRange(prefix);
    if (after !== undefined) {
      const bound = encodeKey(after);
      if (reverse && compareEncoded(bound, to) < 0) to = bound;
      if (!reverse && compareEncoded(bound, from) > 0) from = bound;
    }
    if (compareEncoded(from, to) >= 0) return [];
    const entries = await engine.page(layout.records(from, to), { limit, reverse }, deadlineMs);
    return entries.map(({ key, value, versionstamp }) => ({
      ...decodeRecord(value),
      key: String(key[2]),
      versionstamp,
    }));
  }

  /** Adds the values. One whose pieces were deleted during the read is read again. */
  async #load(found: readonly (Found | null)[], deadlineMs: number): Promise<(Entry | null)[]> {
    const { contents } = this.#parts;
    const values = await contents.load(found.map((each) => each?.content ?? "null"), deadlineMs);
    return await Promise.all(found.map((each, index) => {
      const value = values[index];
      if (each === null) return null;
      return value === undefined ? this.#readAgain(each, deadlineMs) : toEntry(each, value);
    }));
  }

  async #readAgain(missed: Found, deadlineMs: number): Promise<Entry | null> {
    let before = missed;
    for (let read = 0; read < MAX_READS; read++) {
      const [found = null] = await this.#read([before.key], deadlineMs);
      if (found === null) return null;
      const [value] = await this.#parts.contents.load([found.content], deadlineMs);
      if (value !== undefined) return toEntry(found, value);
      if (found.versionstamp === before.versionstamp) {
        throw new BackendCorruptError("Cannot read from Deno KV: pieces of a record are missing");
      }
      before = found;
    }
    throw new BackendUnavailableError("Cannot read from Deno KV: other processes kept changing the same record");
  }
}

function toEntry({ key, versionstamp, expiresAtMs, change }: Found, value: Entry["value"]): Entry {
  const entry = { key: decodeKey(key), value, version: versionstamp, ...(change > 0 && TRACKED) };
  return expiresAtMs === Infinity ? entry : { ...entry, expiresAtMs };
}
