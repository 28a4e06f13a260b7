/** The entries of a memory as records of a backend: reads, and prepares what writes them. @module */

import { DURATION, type OptionNames, requireBoolean, requireNumber, requireOptions, requireString } from "../check.ts";
import type { Clock } from "../clock.ts";
import type { Batch, Entry, Operation, SetOperation, StorageBackend } from "../storage/backend.ts";
import { requireLimit } from "../storage/batch.ts";
import { copyJson, type JsonValue } from "../storage/json.ts";
import type { CheckedEmbedder } from "./embedding.ts";
import {
  decodeEntry,
  decodeValue,
  encodeEntry,
  encodeValue,
  nullIfCorrupt,
  requireFormat,
  type StoredEntry,
} from "./entry_record.ts";
import { behindAll, compareKeys, impliedSession, type MemoryKeys } from "./keys.ts";
import type { EntriesOptions, MemoryEntry, MemoryVersion, NewEntry } from "./model.ts";
import { stringsOf } from "./text.ts";

/** An entry as it was read. */
export interface ReadEntry extends MemoryEntry {
  readonly version: string;
  readonly stored: StoredEntry;
}

/** What a store is made of. */
export interface EntryStoreOptions {
  readonly backend: () => Promise<StorageBackend>;
  readonly keys: MemoryKeys;
  readonly clock: Clock;
  readonly embedder: CheckedEmbedder | null;
  /** How many former versions are kept. */
  readonly history: number;
  /** From how many characters of JSON on values are compressed. */
  readonly compressAbove: number;
}

const ENTRY: OptionNames<NewEntry> = { key: true, value: true, ttlMs: true, session: true, order: true };
const LISTING: OptionNames<EntriesOptions> = { prefix: true, limit: true, reverse: requireBoolean, after: true };

// What one process writes in one millisecond has an order too.
let lastSequence = 0;

/** Reads and prepares entries. */
export class EntryStore {
  /** Where the records are. */
  readonly keys: MemoryKeys;
  /** How many former versions are kept. */
  readonly history: number;
  readonly #options: EntryStoreOptions;

  /** A store on a backend. */
  constructor(options: EntryStoreOptions) {
    this.#options = options;
    this.keys = options.keys;
    this.history = options.history;
  }

  /** The entries with these keys. */
  async getMany(keys: readonly string[]): Promise<(ReadEntry | null)[]> {
    const records = keys.map((key) => this.keys.entry(key));
    if (records.length === 0) return [];
    const backend = await this.#options.backend();
    const found = await backend.get(records);
    return await Promise.all(found.map((entry) => entry && this.#read(entry)));
  }

  /** The entry with this key. */
  async get(key: string): Promise<ReadEntry | null> {
    const [entry = null] = await this.getMany([key]);
    return entry;
  }

  /** The entries in the order of their keys. */
  async *entries(options?: EntriesOptions): AsyncGenerator<ReadEntry> {
    for await (const record of this.#records(options)) yield await this.#read(record);
  }

  /** The entries but for damaged ones: one record that somebody else put there must not be the end for all others. */
  async *intact(options?: EntriesOptions): AsyncGenerator<ReadEntry> {
    for await (const record of this.#records(options)) {
      const entry = await this.#read(record).catch(nullIfCorrupt);
      if (entry !== null) yield entry;
    }
  }

  /** The keys of the entries, in their order. */
  async *names(options?: EntriesOptions): AsyncGenerator<string> {
    for await (const record of this.#records(options)) yield this.keys.nameOf(record.key);
  }

  async *#records(options: EntriesOptions = {}): AsyncGenerator<Entry> {
    requireOptions("a listing", options, LISTING);
    const { prefix = "", limit, reverse = false, after } = options;
    requireString("prefix", prefix, 0, Infinity);
    let left = requireLimit(limit);
    const backend = await this.#options.backend();
    for await (const record of left > 0 ? this.#recordsFrom(backend, prefix, reverse, left, after) : []) {
      yield record;
      if (--left <= 0) return;
    }
  }

  async *#recordsFrom(
    backend: StorageBackend,
    prefix: string,
    reverse: boolean,
    limit: number,
    after?: string,
  ): AsyncGenerator<Entry> {
    const end = reverse ? behindAll(prefix) : null;
    let start = after;
    if (end !== null && (after === undefined || compareKeys(end, after) < 0)) start = end;
    if (!reverse && prefix !== "" && (after === undefined || compareKeys(after, prefix) < 0)) {
      // Keys that begin with a text follow the key that is this text.
      start = prefix;
      const [first] = await backend.get([this.keys.entry(prefix)]);
      if (first) yield first;
    }
    // Whether all that begins with the text comes at once; else what follows it is passed over.
    const isFirst = !reverse || end !== null || prefix === "";
    const options = {
      reverse,
      ...(isFirst && { limit }),
      ...(start !== undefined && { after: this.keys.entry(start) }),
    };
    let isWithin = isFirst;
    for await (const record of backend.list(this.keys.entries, options)) {
      const matches = this.keys.nameOf(record.key).startsWith(prefix);
      if (!matches && isWithin) return;
      isWithin ||= matches;
      if (matches) yield record;
    }
  }

  /** What stores a new entry, and keeps the former version where that is asked for. */
  async prepareAdd(entry: NewEntry): Promise<Batch> {
    const [batch] = await this.prepareMany([entry]);
    // deno-coverage-ignore -- the compiler asks for it: one entry makes one batch
    if (batch === undefined) throw new Error("Cannot prepare the entry: nothing came of it");
    return batch;
  }

  /** What stores new entries that were checked, one batch for each. */
  async prepareMany(entries: readonly NewEntry[]): Promise<Batch[]> {
    const { embedder, clock } = this.#options;
    const vectors = await embedder?.embed(entries.map(({ value }) => textOf(value)));
    return await Promise.all(entries.map(async ({ key, value, ttlMs, session, order }, index) => {
      const now = clock.now();
      const vector = vectors?.[index];
      const stored: StoredEntry = {
        value,
        createdAtMs: now,
        updatedAtMs: now,
        sequence: ++lastSequence,
        ...(session !== undefined && { session }),
        ...(order !== undefined && { order }),
        ...(vector && { vector }),
      };
      const former = this.history > 0 ? await this.get(key) : undefined;
      return await this.#prepareSet(key, stored, former, ttlMs);
    }));
  }

  /** What stores a changed value in place of the one that was read, if nobody else has written in the meantime. */
  async prepareUpdate(key: string, value: JsonValue, former: ReadEntry | null, ttlMs?: number): Promise<Batch> {
    const copy = copyJson(value);
    const { embedder, clock } = this.#options;
    const vector = (await embedder?.embed([textOf(copy)]))?.[0];
    const now = clock.now();
    const { session, order, createdAtMs = now } = former?.stored ?? {};
    const stored: StoredEntry = {
      value: copy,
      createdAtMs,
      updatedAtMs: now,
      sequence: ++lastSequence,
      ...(session !== undefined && { session }),
      ...(order !== undefined && { order }),
      ...(vector && { vector }),
    };
    return await this.#prepareSet(key, stored, former, ttlMs ?? await this.#restOf(former));
  }

  /** What deletes an entry and its former versions. */
  deletions(key: string): Operation[] {
    return [{ type: "delete", key: this.keys.entry(key) }, { type: "delete", key: this.keys.history(key) }];
  }

  /** The former versions of an entry, the newest first. */
  async versions(key: string): Promise<MemoryVersion[]> {
    const backend = await this.#options.backend();
    const [entry] = await backend.get([this.keys.history(key)]);
    const versions = entry ? requireFormat(entry.value).versions : [];
    return await Promise.all((Array.isArray(versions) ? versions : []).map(async (version) => ({
      value: await decodeValue(version),
      updatedAtMs: Number(version.updatedAtMs),
    })));
  }

  /**
   * `former` is the entry that must be there still, `null` when there must be none, `undefined` when that is no matter.
   */
  async #prepareSet(
    key: string,
    stored: StoredEntry,
    former: ReadEntry | null | undefined,
    ttlMs: number | undefined,
  ): Promise<Batch> {
    const expiry = ttlMs === undefined ? {} : { expiresInMs: ttlMs };
    const record = this.keys.entry(key);
    const operations: SetOperation[] = [{
      type: "set",
      key: record,
      value: await encodeEntry(stored, this.#options.compressAbove),
      tracked: true,
      ...expiry,
    }];
    if (former && this.history > 0) operations.push({ ...await this.#prepareHistory(key, former), ...expiry });
    const checks = former === undefined ? [] : [{ key: record, version: former?.version ?? null }];
    return { checks, operations, notify: [this.keys.entries] };
  }

  async #prepareHistory(key: string, former: ReadEntry): Promise<SetOperation> {
    const versions = [{ value: former.value, updatedAtMs: former.updatedAtMs }, ...await this.versions(key)];
    const encoded = versions.slice(0, this.history).map(async ({ value, updatedAtMs }) => ({
      ...await encodeValue(value, this.#options.compressAbove),
      updatedAtMs,
    }));
    return { type: "set", key: this.keys.history(key), value: { v: 1, versions: await Promise.all(encoded) } };
  }

  /** How long an entry has left, so that an update does not move its end. */
  async #restOf(entry: ReadEntry | null): Promise<number | undefined> {
    if (entry?.expiresAtMs === undefined) return undefined;
    const backend = await this.#options.backend();
    // Whoever asks what has changed where nothing is hears the backend's time.
    const { nowMs } = await backend.changes([...this.keys.entries, "clock"]);
    return Math.max(1, entry.expiresAtMs - nowMs);
  }

  async #read(entry: Entry): Promise<ReadEntry> {
    const key = this.keys.nameOf(entry.key);
    const stored = await decodeEntry(entry.value);
    const { value, createdAtMs, updatedAtMs, session = impliedSession(key) } = stored;
    const { version, expiresAtMs } = entry;
    return {
      key,
      value,
      createdAtMs,
      updatedAtMs,
      session,
      ...(expiresAtMs !== undefined && { expiresAtMs }),
      version,
      stored,
    };
  }
}

/** What the caller sees of an entry. */
export function toMemoryEntry({ version: _version, stored: _stored, ...entry }: ReadEntry): MemoryEntry {
  return entry;
}

/**
 * A checked copy of a new entry: the caller may change its own as soon as the call is made.
 *
 * @throws {TypeError | RangeError} When JSON cannot carry the value, or an option breaks its rule.
 */
export function checkEntry(entry: NewEntry): NewEntry {
  requireOptions("an entry", entry, ENTRY);
  const { key, value, ttlMs, session, order } = entry;
  requireString("key", key, 0, Infinity);
  if (ttlMs !== undefined) requireNumber("ttlMs", ttlMs, { ...DURATION, min: 1 });
  if (session !== undefined && session !== null) requireString("session", session, 0, Infinity);
  if (order !== undefined) requireNumber("order", order, { min: -Number.MAX_VALUE, max: Number.MAX_VALUE });
  return {
    key,
    value: copyJson(value),
    ...(ttlMs !== undefined && { ttlMs }),
    ...(session !== undefined && { session }),
    ...(order !== undefined && { order }),
  };
}

function textOf(value: JsonValue): string {
  return stringsOf(value).join("\n");
}
