/** What has changed among the tracked records of a parent: the records by version, and their deletions. @module */

import { encodedParent } from "../../src/storage/key.ts";
import type { Connection, Statement } from "./connection.ts";
import type { RecordRow } from "./records.ts";
import { FEEDS } from "./statements.ts";

/** A page of what has changed. */
export interface FeedPage {
  readonly rows: readonly RecordRow[];
  /** The keys of what was deleted, with their namespace. */
  readonly deleted: readonly string[];
  readonly cursor: string;
  readonly more: boolean;
  readonly reset: boolean;
}

const PAGE_SIZE = 500;

// Each feed keeps its newest deletions, and is looked at when it may have so many more.
const KEPT_DELETIONS = 1000;
const DELETIONS_A_LOOK = 256;

/** The feeds of one namespace. */
export class Feeds {
  readonly #find: Statement<{ readonly num: number; readonly floor: number }>;
  readonly #insert: Statement<{ readonly num: number }>;
  readonly #anyFeed: Statement<unknown>;
  readonly #raise: Statement;
  readonly #noteDeletion: Statement;
  readonly #isEmpty: Statement<unknown>;
  readonly #oldest: Statement<{ readonly version: number }>;
  readonly #forget: Statement;
  readonly #drop: Statement;
  readonly #written: Statement<RecordRow>;
  readonly #deleted: Statement<{ readonly key: string }>;
  // Of the transaction under way: numbers by parent, and the feeds that may have become empty.
  readonly #numbers = new Map<string, number>();
  readonly #shrunk = new Set<number>();
  #hasAny: boolean | null = null;
  // By chance, so that processes too short-lived for a whole step do their part too.
  #deletions = Math.floor(Math.random() * DELETIONS_A_LOOK);

  /** Prepares what it needs. */
  constructor(connection: Connection) {
    this.#find = connection.prepare(FEEDS.find);
    this.#insert = connection.prepare(FEEDS.insert);
    this.#anyFeed = connection.prepare(FEEDS.anyFeed);
    this.#raise = connection.prepare(FEEDS.raise);
    this.#noteDeletion = connection.prepare(FEEDS.noteDeletion);
    this.#isEmpty = connection.prepare(FEEDS.isEmpty);
    this.#oldest = connection.prepare(FEEDS.oldest);
    this.#forget = connection.prepare(FEEDS.forget);
    this.#drop = connection.prepare(FEEDS.drop);
    this.#written = connection.prepare(FEEDS.written);
    this.#deleted = connection.prepare(FEEDS.deleted);
  }

  /** Whether there is any, lest what is never tracked be looked up. */
  get hasAny(): boolean {
    return this.#hasAny ??= this.#anyFeed.get() !== undefined;
  }

  /** The number of the feed of a key, made where there is none. Its first change has the version `version`. */
  open(key: string, version: number): number {
    const parent = encodedParent(key);
    const known = this.#numbers.get(parent);
    if (known !== undefined) return known;
    // deno-coverage-ignore -- the compiler asks for it: the insert gives its row
    const { num } = this.#find.get(parent) ?? this.#insert.get(parent, version - 1) ?? { num: 0 };
    this.#numbers.set(parent, num);
    this.#hasAny = true;
    return num;
  }

  /** Notes that a record is gone, or tracked no longer. */
  delete(feed: number, key: string, version: number): void {
    this.#noteDeletion.run(feed, version, key);
    this.#shrunk.add(feed);
    this.#deletions++;
  }

  /** Notes that many records are gone: whoever reads begins from the start. */
  clear(feed: number, version: number): void {
    this.#raise.run(version, feed);
    this.#shrunk.add(feed);
  }

  /** Notes that a record has expired and is cleaned away, which its readers knew. */
  expire(feed: number): void {
    this.#shrunk.add(feed);
  }

  /** Takes away, at the end of a transaction, what nobody needs any more. */
  save(): void {
    const isTime = this.#deletions >= DELETIONS_A_LOOK;
    if (isTime) this.#deletions = 0;
    for (const feed of this.#shrunk) {
      if (this.#isEmpty.get(feed) === undefined) {
        this.#forget.run(feed, Number.MAX_SAFE_INTEGER);
        this.#drop.run(feed);
      } else if (isTime) this.#forgetOldest(feed);
    }
  }

  /** Forgets what was read: the transaction has ended. */
  reset(): void {
    this.#numbers.clear();
    this.#shrunk.clear();
    this.#hasAny = null;
  }

  /** What has changed below a parent since a cursor, in a store whose last version is `last`. */
  changes(parent: string, after: string | undefined, last: number, now: number): FeedPage {
    const feed = this.#find.get(parent);
    // Whoever begins from the start at the version `since` need not be told of deletions before it.
    const [, position, since] = /^(\d{1,15})\.(\d{1,15})$/.exec(after ?? "")?.map(Number) ?? [];
    const isKnown = feed !== undefined && position !== undefined && since !== undefined && position <= last &&
      Math.max(position, since) >= feed.floor;
    const start = isKnown ? position : 0;
    const rows = feed ? this.#written.all(feed.num, start, now, PAGE_SIZE) : [];
    const more = rows.length === PAGE_SIZE;
    // deno-coverage-ignore -- the compiler asks for it: a full page has a last row
    const end = more ? rows.at(-1)?.version ?? last : last;
    const deleted = isKnown ? this.#deleted.all(feed.num, start, end).map(({ key }) => key) : [];
    return { rows, deleted, cursor: `${end}.${isKnown ? since : last}`, more, reset: !isKnown };
  }

  #forgetOldest(feed: number): void {
    const oldest = this.#oldest.get(feed, KEPT_DELETIONS);
    if (oldest === undefined) return;
    this.#forget.run(feed, oldest.version);
    this.#raise.run(oldest.version, feed);
  }
}
