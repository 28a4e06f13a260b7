/** Listings, counts and single records. @module */

import type { Changes, Entry, ListOptions, MessageState, StoredMessage } from "../../src/storage/backend.ts";
import { compareEncoded, decodeKey, encodeKey, type Key, prefixRange } from "../../src/storage/key.ts";
import { partsOf } from "../../src/storage/parts.ts";
import type { Connection } from "./connection.ts";
import type { Row } from "./driver.ts";
import { placesOf, stateAt } from "../../src/storage/place.ts";
import { parseValue } from "../../src/storage/value_text.ts";
import type { Statements } from "./statements.ts";
import { arrayLiteral, unescapeText } from "./text.ts";

/** What reads work with. */
export interface ReadsParts {
  readonly connection: Connection;
  readonly statements: Statements;
  readonly namespace: string;
  /** Until when a call made now may take. */
  readonly deadline: () => number;
}

const LIST_PAGE = 500;
const DETAILS_PAGE = 500;
const CLEAR_PAGE = 1000;
/** Larger than any number of rows. */
const ALL = Number.MAX_SAFE_INTEGER;

/** Reads one namespace; and `clear`, which goes through a listing as they do. */
export class Reads {
  readonly #parts: ReadsParts;

  /** Made of these parts. */
  constructor(parts: ReadsParts) {
    this.#parts = parts;
  }

  /** The records with these encoded keys. */
  async get(keys: readonly string[]): Promise<(Entry | null)[]> {
    const { connection, statements, namespace, deadline } = this.#parts;
    if (keys.length === 0) return [];
    const distinct = [...new Set(keys)].map((key) => namespace + key);
    const rows = await connection.read(
      deadline(),
      (session) => session.query(statements.get, [arrayLiteral(distinct)]),
    );
    const found = new Map(rows.map((row) => [String(row.key).slice(namespace.length), row]));
    return keys.map((key) => {
      const row = found.get(key);
      return row ? this.#toEntry(row) : null;
    });
  }

  /** Pages of the records below a prefix. */
  async *list(
    prefix: Key,
    { reverse = false, after, limit = Infinity }: ListOptions,
  ): AsyncGenerator<readonly Entry[]> {
    const { connection, statements, namespace, deadline } = this.#parts;
    const range = prefixRange(prefix);
    let from = namespace + range.from;
    let to = namespace + range.to;
    if (after !== undefined) {
      const key = namespace + encodeKey(after);
      if (reverse && compareEncoded(key, to) < 0) to = key;
      if (!reverse && compareEncoded(key, from) > 0) from = key;
    }
    for (let left = limit; left > 0;) {
      const size = Math.min(left, LIST_PAGE);
      const text = reverse ? statements.listReverse : statements.list;
      const rows = await connection.read(deadline(), (session) => session.query(text, [from, to, size]));
      if (rows.length > 0) yield rows.map((row) => this.#toEntry(row));
      if (rows.length < size) return;
      left -= rows.length;
      const last = String(rows.at(-1)?.key);
      if (reverse) to = last;
      else from = last;
    }
  }

  /** How many records are below a prefix. */
  async count(prefix: Key): Promise<number> {
    const { connection, statements, deadline } = this.#parts;
    const range = this.#range(prefix);
    const [row] = await connection.read(deadline(), (session) => session.query(statements.count, range));
    return Number(row?.count);
  }

  /** What has changed among the tracked records of an encoded parent since a cursor. */
  async changes(parent: string, after: string | undefined): Promise<Changes> {
    const { connection, statements, namespace, deadline } = this.#parts;
    const [, num = -1, position = 0, since = 0] = /^(\d{1,15})\.(\d{1,15})\.(\d{1,15})$/.exec(after ?? "") ?? [];
    const rows = await connection.read(
      deadline(),
      (session) => session.query(statements.changes, [namespace + parent, num, position, since, LIST_PAGE]),
    );
    const [feed] = rows;
    const nowMs = Number(feed?.now);
    if (!feed || feed.num === null) return { entries: [], deleted: [], cursor: "", more: false, reset: true, nowMs };
    const changed = rows.filter(({ key }) => key !== null);
    const end = changed.length === LIST_PAGE ? changed.at(-1)?.change : feed.sequence;
    return {
      entries: changed.filter(({ tracked }) => tracked).map((row) => this.#toEntry(row)),
      deleted: changed.filter(({ tracked }) => !tracked).map(({ key }) => this.#toKey(key)),
      cursor: `${feed.num}.${end}.${feed.known ? since : feed.sequence}`,
      more: end !== feed.sequence,
      reset: !feed.known,
      nowMs,
    };
  }

  /** Deletes the records below a prefix, some at a time. */
  async clear(prefix: Key): Promise<number> {
    const { connection, statements, deadline } = this.#parts;
    let [from, to] = this.#range(prefix);
    for (let cleared = 0;;) {
      const [row] = await connection.transaction(
        deadline(),
        () => Promise.resolve(),
        (session) => session.query(statements.clear, [from, to, CLEAR_PAGE]),
      );
      cleared += Number(row?.live);
      if (Number(row?.deleted) < CLEAR_PAGE) return cleared;
      from = String(row?.last);
    }
  }

  /** Pages of the messages in one state. Those that leave it while the caller looks are left out. */
  async *messages(
    queue: Key,
    num: number,
    state: MessageState,
    limit: number,
  ): AsyncGenerator<readonly StoredMessage[]> {
    const { connection, statements, deadline } = this.#parts;
    const { first, last } = placesOf(state);
    if (limit === 0) return;
    const order = await connection.read(
      deadline(),
      (session) => session.query(statements.order, [num, first, last, Math.min(limit, ALL)]),
    );
    for (const page of partsOf(order, DETAILS_PAGE)) {
      const nums = page.map((row) => Number(row.num));
      const rows = await connection.read(
        deadline(),
        (session) => session.query(statements.details, [num, arrayLiteral(nums), first, last]),
      );
      const found = new Map(rows.map((row) => [Number(row.num), row]));
      yield nums.flatMap((each) => {
        const row = found.get(each);
        return row ? [toStoredMessage(row, queue)] : [];
      });
    }
  }

  /** Pages of the encoded names of queues with messages. */
  async *queues(prefix: Key): AsyncGenerator<readonly string[]> {
    const { connection, statements, namespace, deadline } = this.#parts;
    let [from, to] = this.#range(prefix);
    for (;;) {
      const rows = await connection.read(
        deadline(),
        (session) => session.query(statements.queues, [from, to, LIST_PAGE]),
      );
      if (rows.length > 0) yield rows.map(({ name }) => String(name).slice(namespace.length));
      if (rows.length < LIST_PAGE) return;
      from = String(rows.at(-1)?.name);
    }
  }

  #range(prefix: Key): [from: string, to: string] {
    const { from, to } = prefixRange(prefix);
    return [this.#parts.namespace + from, this.#parts.namespace + to];
  }

  #toKey(key: unknown): Key {
    return decodeKey(String(key).slice(this.#parts.namespace.length));
  }

  #toEntry({ key: stored, value, version, expires_at, tracked }: Row): Entry {
    const key = this.#toKey(stored);
    return {
      key,
      value: parseValue(String(value), key),
      version: String(version),
      ...(typeof expires_at === "number" && { expiresAtMs: expires_at }),
      ...(tracked === true && { tracked }),
    };
  }
}

function toStoredMessage(row: Row, queue: Key): StoredMessage {
  const id = unescapeText(String(row.id));
  return {
    queue,
    id,
    value: parseValue(String(row.value), id),
    priority: Number(row.priority),
    state: stateAt(Number(row.place)),
    attempts: Number(row.attempts),
    maxAttempts: Number(row.max_attempts),
    enqueuedAtMs: Number(row.enqueued_at),
    dueAtMs: Number(row.due_at),
    ...(row.last_error !== null && { lastError: unescapeText(String(row.last_error)) }),
  };
}
