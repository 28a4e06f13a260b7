/** Reads what the Python original has in Redis, and changes nothing there. @module */

import { Redis } from "ioredis";
import { type Layout, type MailboxKeys, sortKeys } from "./layout.ts";

/** A message of the original as it lies in Redis. */
export interface SourceMessage {
  /** Where it was found. */
  readonly place: "reserved" | "scheduled" | "dead" | "audit";
  /** JSON. */
  readonly text: string;
  /** When it is or was due, or its reservation ends, in milliseconds since 1970; 0 where nothing says so. */
  readonly dueAtMs: number;
  /** The priority that its key names, where it does. */
  readonly level?: number;
}

/** A string of JSON, and for how long Redis will keep it. */
export interface SourceRecord {
  readonly key: string;
  readonly text: string;
}

const PAGE_SIZE = 500;
const CONNECT_TIMEOUT_MS = 5000;
const COMMAND_TIMEOUT_MS = 30_000;

/** The keys below one prefix of a Redis server. */
export class TtaSource implements AsyncDisposable {
  readonly #redis: Redis;
  readonly #prefix: string;

  private constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
  }

  /**
   * Connects, once: an outage in the middle fails the call that meets it.
   *
   * @throws {Error} Without the URL, which may have a password.
   */
  static async open(url: string, prefix: string): Promise<TtaSource> {
    const redis = new Redis(url, {
      lazyConnect: true,
      connectTimeout: CONNECT_TIMEOUT_MS,
      commandTimeout: COMMAND_TIMEOUT_MS,
      maxRetriesPerRequest: 0,
      retryStrategy: () => null,
    });
    let reason = "";
    redis.on("error", (error) => reason ||= error.message);
    try {
      await redis.connect();
    } catch (error) {
      redis.disconnect();
      throw new Error(`Cannot read the source: ${reason || (error instanceof Error ? error.message : "no answer")}`);
    }
    return new TtaSource(redis, prefix.replace(/:+$/, ""));
  }

  /** The time of the server, in milliseconds since 1970. */
  async nowMs(): Promise<number> {
    const [seconds, microseconds] = await this.#redis.time();
    return Number(seconds) * 1000 + Number(microseconds) / 1000;
  }

  /** Everything below the prefix, by what it is for. */
  async layout(): Promise<Layout> {
    const keys = new Set<string>(); // a scan may tell a key twice
    const pattern = `${this.#prefix.replaceAll(/[*?[\]\\]/g, "\\$&")}:*`;
    let cursor = "0";
    do {
      const [next, page] = await this.#redis.scan(cursor, "MATCH", pattern, "COUNT", 1000);
      for (const key of page) keys.add(key);
      cursor = next;
    } while (cursor !== "0");
    return sortKeys(this.#prefix, keys);
  }

  /** All messages of a mailbox: those being worked on, those in line, dead letters, and copies of what is not done. */
  async messages(mailbox: MailboxKeys): Promise<SourceMessage[]> {
    const found = await this.#reserved(mailbox);
    for (const [level, key] of mailbox.scheduled) {
      const pairs = await this.#pages((from, to) => this.#redis.zrange(key, from, String(to), "WITHSCORES"));
      for (let at = 0; at < pairs.length; at += 2) {
        found.push({ place: "scheduled", text: pairs[at] ?? "", dueAtMs: Number(pairs[at + 1]) / 1000, level });
      }
    }
    for (const [place, key] of [["dead", mailbox.dead], ["audit", mailbox.audit]] as const) {
      const texts = await this.#pages((from, to) => this.#redis.lrange(key, from, to));
      for (const text of texts) found.push({ place, text, dueAtMs: 0 });
    }
    return found;
  }

  /** The strings of these keys that are there still. */
  async records(keys: readonly string[]): Promise<SourceRecord[]> {
    const records: SourceRecord[] = [];
    for (const key of keys) {
      const text = await this.#redis.get(key);
      if (text !== null) records.push({ key, text });
    }
    return records;
  }

  /** Ends the connection. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#redis.disconnect();
    return Promise.resolve();
  }

  async #reserved({ reserved, deadlines }: MailboxKeys): Promise<SourceMessage[]> {
    const ends = new Map<string, number>();
    const pairs = await this.#pages((from, to) => this.#redis.zrange(deadlines, from, String(to), "WITHSCORES"));
    for (let at = 0; at < pairs.length; at += 2) ends.set(pairs[at] ?? "", Number(pairs[at + 1]) / 1000);
    const held = Object.entries(await this.#redis.hgetall(reserved));
    return held.map(([token, text]) => ({ place: "reserved" as const, text, dueAtMs: ends.get(token) ?? 0 }));
  }

  async #pages(read: (from: number, to: number) => Promise<string[]>): Promise<string[]> {
    const all: string[] = [];
    for (let from = 0;; from += PAGE_SIZE) {
      const page = await read(from, from + PAGE_SIZE - 1);
      for (const each of page) all.push(each);
      if (page.length === 0) return all;
    }
  }
}
