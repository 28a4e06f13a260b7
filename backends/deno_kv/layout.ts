/** Where everything is stored: the keys of this backend in Deno KV. @module */

import { createHash } from "node:crypto";
import type { MessageState } from "../../src/storage/backend.ts";
import type { DenoKvEntry, DenoKvKey } from "./driver.ts";

/** The format of everything stored; a store of a newer one is refused. */
export const FORMAT = 1;

/** Where a message stands: in which state, and where among the messages of this state. */
export interface Place {
  readonly state: MessageState;
  readonly priority: number;
  /** When it is due, or its lease ends, or it died. */
  readonly atMs: number;
  /** Orders what has the same time; unique. */
  readonly rank: string;
}

/** What is counted for each queue; `live` are the ready, delayed and leased. */
export type Counter = "live" | "delayed" | "leased" | "dead";

/** All counters of a queue. */
export const COUNTERS: readonly Counter[] = ["live", "delayed", "leased", "dead"];

/** A half-open range of keys. */
export interface Range {
  readonly start: DenoKvKey;
  readonly end: DenoKvKey;
}

// Longer names of queues and messages are hashed, so that the keys of 100 operations always fit in one atomic.
const MAX_PLAIN_LENGTH = 48;
const MAX_CACHED_HASHES = 1000;

/** The parts of a line: one for each priority, the highest first. */
export const SLOTS = 10;

/** The keys of one namespace. A queue has its encoded key as its name. */
export class Layout {
  /** The marker that tells the format of the store. */
  readonly format: DenoKvKey;
  /** Set with every wake-up where the engine pushes, so that one key is enough to watch. */
  readonly bell: DenoKvKey;
  readonly #namespace: string;
  readonly #hashes = new Map<string, Uint8Array>();

  /** The keys of this namespace. */
  constructor(namespace: string) {
    this.#namespace = namespace;
    this.format = [namespace, "format"];
    this.bell = [namespace, "bell"];
  }

  /** A record, by its encoded key. */
  record(encoded: string): DenoKvKey {
    return [this.#namespace, "k", encoded];
  }

  /** The records with `from < encoded < to`, no encoded key having a character below U+0001. */
  records(from: string, to: string): Range {
    return { start: this.record(`${from}\x01`), end: this.record(to) };
  }

  /** How far the changes of a parent of tracked records have got. */
  feed(parent: string): DenoKvKey {
    return [this.#namespace, "f", this.#queue(parent)];
  }

  /** All feeds. */
  allFeeds(): Range {
    return { start: [this.#namespace, "f"], end: [this.#namespace, "f", 0] };
  }

  /** The key of a feed that was read, of a parent that nobody knows by name. */
  sameFeed({ key }: Pick<DenoKvEntry, "key">): DenoKvKey {
    return [this.#namespace, "f", partOf(key)];
  }

  /** All changes of the parent of such a feed. */
  changesOf({ key }: Pick<DenoKvEntry, "key">): Range {
    const changes: DenoKvKey = [this.#namespace, "g", partOf(key)];
    return { start: changes, end: [...changes, Infinity] };
  }

  /** A change among the tracked records of a parent. */
  change(parent: string, number: number): DenoKvKey {
    return [this.#namespace, "g", this.#queue(parent), number];
  }

  /** The changes of a parent with `after < number <= last`. */
  changes(parent: string, after: number, last: number): Range {
    return { start: this.change(parent, after + 1), end: this.change(parent, last + 1) };
  }

  /** What a queue knows of a message id. */
  id(queue: string, id: string): DenoKvKey {
    return [this.#namespace, "i", this.#queue(queue), id.length > MAX_PLAIN_LENGTH ? hash(id) : id];
  }

  /** A message, at its place. */
  place(queue: string, { state, priority, atMs, rank }: Place): DenoKvKey {
    return [...this.#line(queue, state, slotOf(state, priority)), atMs, rank];
  }

  /** The messages in one state, from a slot on. */
  line(queue: string, state: MessageState, fromSlot = 0): Range {
    return { start: this.#line(queue, state, fromSlot), end: this.#line(queue, state, SLOTS) };
  }

  /** The messages of one slot with `fromMs < atMs <= toMs`. */
  slot(queue: string, state: MessageState, slot: number, fromMs: number, toMs: number): Range {
    const line = this.#line(queue, state, slot);
    // A number sorts behind every rank, which is a string.
    return { start: [...line, fromMs, 0], end: [...line, toMs, 0] };
  }

  /** How many messages a queue has. */
  counter(queue: string, counter: Counter): DenoKvKey {
    return [this.#namespace, "c", queue, counter];
  }

  /** The counters of the queues with `from < name < to`. */
  counters(from: string, to: string): Range {
    return { start: [this.#namespace, "c", `${from}\x01`], end: [this.#namespace, "c", to] };
  }

  /** The counters of all queues, from this one on. */
  allCounters(from: string): Range {
    return { start: [this.#namespace, "c", from], end: [this.#namespace, "c", 0] };
  }

  /** A piece of a long value. */
  piece(content: string, index: number): DenoKvKey {
    return [this.#namespace, "p", content, index];
  }

  /** A note of pieces that are to be deleted, unless a commit takes them over. */
  orphans(id: string): DenoKvKey {
    return [this.#namespace, "o", id];
  }

  /** All notes of {@linkcode orphans}. */
  allOrphans(): Range {
    return { start: [this.#namespace, "o"], end: [this.#namespace, "o", 0] };
  }

  /** What an instance of this backend woke last. */
  bulletin(instance: string): DenoKvKey {
    return [this.#namespace, "w", instance];
  }

  /** The bulletins of all instances. */
  bulletins(): Range {
    return { start: [this.#namespace, "w"], end: [this.#namespace, "w", 0] };
  }

  #line(queue: string, state: MessageState, slot: number): DenoKvKey {
    return [this.#namespace, "m", this.#queue(queue), state, slot];
  }

  #queue(name: string): string | Uint8Array {
    if (name.length <= MAX_PLAIN_LENGTH) return name;
    let hashed = this.#hashes.get(name);
    if (hashed === undefined) {
      if (this.#hashes.size >= MAX_CACHED_HASHES) this.#hashes.clear();
      this.#hashes.set(name, hashed = hash(name));
    }
    return hashed;
  }
}

/** Names a message among those of one step: an encoded queue has no NUL, so that the first one ends it. */
export function slotOfId(queue: string, id: string): string {
  return `i${queue}\0${id}`;
}

/** Messages in line are ordered by priority first, the others by time alone. */
function slotOf(state: MessageState, priority: number): number {
  return state === "ready" || state === "delayed" ? SLOTS - 1 - priority : 0;
}

/** The queue or parent that a key is about, by its name or the hash of that. */
function partOf(key: readonly unknown[]): string | Uint8Array {
  const part = key[2];
  return part instanceof Uint8Array ? part : String(part);
}

/** Bytes and strings never meet as parts of a key, and two names never have one SHA-256. */
function hash(text: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(text).digest());
}
