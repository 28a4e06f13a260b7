/** The records: what is stored under keys, in their order, until it expires. @module */

import type { Changes, Entry, ListOptions } from "../../src/storage/backend.ts";
import type { PreparedSet } from "../../src/storage/batch.ts";
import { compareEncoded, decodeKey, encodeKey, type Key, prefixRange } from "../../src/storage/key.ts";
import { parseValue } from "../../src/storage/value_text.ts";
import type { Connection, Statement } from "./connection.ts";
import { Feeds } from "./feeds.ts";
import { RECORDS } from "./statements.ts";

/** A record as it is stored. */
export interface RecordRow {
  readonly key: string;
  readonly value: string;
  readonly version: number;
  readonly expires_at: number | null;
  readonly feed: number | null;
}

/** How many rows were deleted, and how many of them were records that had not expired. */
export interface Cleared {
  readonly deleted: number;
  readonly live: number;
}

const TRACKED = { tracked: true } as const;

// A record that will expire is paid for by cleaning away so many that have: they can never pile up.
const EXPIRED_A_SET = 2;

/** The records of one namespace. */
export class Records {
  readonly #namespace: string;
  readonly #get: Statement<RecordRow>;
  readonly #version: Statement<{ readonly version: number }>;
  readonly #set: Statement;
  readonly #feed: Statement<{ readonly feed: number }>;
  readonly #delete: Statement<{ readonly feed: number | null }>;
  readonly #list: Statement<RecordRow>;
  readonly #listReverse: Statement<RecordRow>;
  readonly #count: Statement<{ readonly count: number }>;
  readonly #clear: Statement<{ readonly expires_at: number | null; readonly feed: number | null }>;
  readonly #expire: Statement<{ readonly feed: number | null }>;
  readonly #lastVersion: Statement<{ readonly last_version: number }>;
  readonly #saveVersion: Statement;
  readonly #feeds: Feeds;
  #last: number | null = null;
  #expiring = 0;

  /** Prepares what it needs; `namespace` is put before every key. */
  constructor(connection: Connection, namespace: string) {
    this.#namespace = namespace;
    this.#get = connection.prepare(RECORDS.get);
    this.#version = connection.prepare(RECORDS.version);
    this.#set = connection.prepare(RECORDS.set);
    this.#feed = connection.prepare(RECORDS.feed);
    this.#delete = connection.prepare(RECORDS.delete);
    this.#list = connection.prepare(RECORDS.list);
    this.#listReverse = connection.prepare(RECORDS.listReverse);
    this.#count = connection.prepare(RECORDS.count);
    this.#clear = connection.prepare(RECORDS.clear);
    this.#expire = connection.prepare(RECORDS.expire);
    this.#lastVersion = connection.prepare(RECORDS.lastVersion);
    this.#saveVersion = connection.prepare(RECORDS.saveVersion);
    this.#feeds = new Feeds(connection);
  }

  /** The record with an encoded key. */
  get(key: string, now: number): Entry | null {
    const row = this.#get.get(this.#namespace + key, now);
    return row ? this.#toEntry(row) : null;
  }

  /** The version of the record with an encoded key. */
  version(key: string, now: number): string | null {
    const row = this.#version.get(this.#namespace + key, now);
    return row ? String(row.version) : null;
  }

  /** Stores a value and returns its version. */
  set({ key, value, expiresInMs, tracked }: PreparedSet<string>, now: number): string {
    const fullKey = this.#namespace + key;
    const version = this.#nextVersion();
    if (!tracked && this.#feeds.hasAny) {
      const former = this.#feed.get(fullKey);
      if (former) this.#feeds.delete(former.feed, fullKey, version);
    }
    const feed = tracked ? this.#feeds.open(fullKey, version) : null;
    this.#set.run(fullKey, value, version, expiresInMs === null ? null : now + expiresInMs, feed);
    if (expiresInMs !== null) this.#expiring++;
    return String(version);
  }

  /** Deletes a record and tells whether there was one. */
  delete(key: string, now: number): boolean {
    const fullKey = this.#namespace + key;
    const deleted = this.#delete.get(fullKey, now);
    if (deleted === undefined) return false;
    if (deleted.feed !== null) this.#feeds.delete(deleted.feed, fullKey, this.#nextVersion());
    return true;
  }

  /** What has changed among the tracked records of an encoded parent since a cursor. */
  changes(parent: string, after: string | undefined, now: number): Changes {
    const { rows, deleted, ...page } = this.#feeds.changes(this.#namespace + parent, after, this.#lastOne(), now);
    return {
      ...page,
      entries: rows.map((row) => this.#toEntry(row)),
      deleted: deleted.map((key) => decodeKey(key.slice(this.#namespace.length))),
      nowMs: now,
    };
  }

  /** Records below a prefix, at most `limit`. */
  list(prefix: Key, limit: number, { reverse = false, after }: ListOptions, now: number): Entry[] {
    let { from, to } = this.#range(prefix);
    if (after) {
      const key = this.#namespace + encodeKey(after);
      if (reverse && compareEncoded(key, to) < 0) to = key;
      if (!reverse && compareEncoded(key, from) > 0) from = key;
    }
    return (reverse ? this.#listReverse : this.#list).all(from, to, now, limit).map((row) => this.#toEntry(row));
  }

  /** How many records are below a prefix. */
  count(prefix: Key, now: number): number {
    const { from, to } = this.#range(prefix);
    // deno-coverage-ignore -- the compiler asks for it: a count gives a row
    return this.#count.get(from, to, now)?.count ?? 0;
  }

  /** Deletes at most `limit` records below a prefix. */
  clear(prefix: Key, limit: number, now: number): Cleared {
    const { from, to } = this.#range(prefix);
    const deleted = this.#clear.all(from, to, limit);
    const feeds = new Set(deleted.map(({ feed }) => feed));
    for (const feed of feeds) if (feed !== null) this.#feeds.clear(feed, this.#nextVersion());
    const live = deleted.filter(({ expires_at }) => expires_at === null || expires_at > now);
    return { deleted: deleted.length, live: live.length };
  }

  /** Writes back what the whole transaction came to, and cleans away some records that have expired. */
  save(now: number): void {
    if (this.#last !== null) this.#saveVersion.run(this.#last);
    const expired = this.#expiring > 0 ? this.#expire.all(now, this.#expiring * EXPIRED_A_SET) : [];
    for (const { feed } of expired) if (feed !== null) this.#feeds.expire(feed);
    this.#feeds.save();
  }

  /** Forgets what was read: the transaction has ended. */
  reset(): void {
    this.#last = null;
    this.#expiring = 0;
    this.#feeds.reset();
  }

  /** One count for the whole file: a key that was deleted does not get an old version again. */
  #nextVersion(): number {
    return this.#last = this.#lastOne() + 1;
  }

  #lastOne(): number {
    // deno-coverage-ignore -- the compiler asks for it: the table has its one row
    return this.#last ?? this.#lastVersion.get()?.last_version ?? 0;
  }

  #range(prefix: Key): { readonly from: string; readonly to: string } {
    const { from, to } = prefixRange(prefix);
    return { from: this.#namespace + from, to: this.#namespace + to };
  }

  #toEntry({ key: name, value, version, expires_at, feed }: RecordRow): Entry {
    const key = decodeKey(name.slice(this.#namespace.length));
    return {
      key,
      value: parseValue(value, key),
      version: String(version),
      ...(expires_at !== null && { expiresAtMs: expires_at }),
      ...(feed !== null && TRACKED),
    };
  }
}
