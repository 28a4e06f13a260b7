/** The queues: their counters, read once and written once in each transaction. @module */

import type { MessageState } from "../../src/storage/backend.ts";
import { prefixRange } from "../../src/storage/key.ts";
import type { Connection, Statement } from "./connection.ts";
import { QUEUES } from "./statements.ts";

/** A queue, or a topic that is only notified. Changed in place; {@linkcode Queues} writes it back. */
export interface Queue {
  readonly num: number;
  readonly name: string;
  ready: number;
  delayed: number;
  leased: number;
  dead: number;
  /** Orders messages that are due at the same time. */
  sequence: number;
  /** Counts what its listeners are woken for. */
  wakes: number;
}

/** The counters of a queue as they stand in the file, and the next times at which they change by themselves. */
export interface Stats {
  readonly num: number;
  readonly ready: number;
  readonly delayed: number;
  readonly leased: number;
  readonly dead: number;
  readonly sequence: number;
  readonly next_due_at: number | null;
  readonly next_end_at: number | null;
}

/** How many messages count against a queue's capacity. */
export function liveIn(queue: Queue | null): number {
  return queue ? queue.ready + queue.delayed + queue.leased : 0;
}

/** The queues of one namespace. */
export class Queues {
  readonly #namespace: string;
  readonly #find: Statement<Queue>;
  readonly #insert: Statement<Queue>;
  readonly #save: Statement;
  readonly #list: Statement<{ readonly name: string }>;
  readonly #withExpiredLeases: Statement<{ readonly name: string }>;
  readonly #stats: Statement<Stats>;
  readonly #known = new Map<string, Queue | null>();
  readonly #changed = new Set<Queue>();
  #inserted = 0;

  /** Prepares what it needs; `namespace` is put before every name. */
  constructor(connection: Connection, namespace: string) {
    this.#namespace = namespace;
    this.#find = connection.prepare(QUEUES.find);
    this.#insert = connection.prepare(QUEUES.insert);
    this.#save = connection.prepare(QUEUES.save);
    this.#list = connection.prepare(QUEUES.list);
    this.#withExpiredLeases = connection.prepare(QUEUES.withExpiredLeases);
    this.#stats = connection.prepare(QUEUES.stats);
  }

  /** The queue of this name, if there is one. */
  find(name: string): Queue | null {
    let queue = this.#known.get(name);
    if (queue === undefined) {
      queue = this.#find.get(this.#namespace + name) ?? null;
      this.#known.set(name, queue);
    }
    return queue;
  }

  /** The queue of this name, made where there is none. */
  open(name: string, now: number): Queue {
    const found = this.find(name);
    if (found) return found;
    // Counts on from the time, so that one that was forgotten meanwhile is not taken for the same state of the old one.
    const made = this.#insert.get(this.#namespace + name, Math.floor(now), now);
    // deno-coverage-ignore -- the compiler asks for it: the insert gives its row
    if (!made) throw new Error("Cannot make the queue: the engine gave no row");
    this.#inserted++;
    this.#known.set(name, made);
    return made;
  }

  /** Counts a message from one state to another; `null` is outside. */
  move(queue: Queue, from: MessageState | null, to: MessageState | null, messages = 1): void {
    if (from) queue[from] -= messages;
    if (to) queue[to] += messages;
    this.#changed.add(queue);
  }

  /** Counts that the listeners of a topic are woken. */
  wake(name: string, now: number): number {
    const queue = this.open(name, now);
    this.#changed.add(queue);
    return ++queue.wakes;
  }

  /** How often the listeners of a topic have been woken, by anybody. */
  wakesOf(name: string): number | null {
    return this.#find.get(this.#namespace + name)?.wakes ?? null;
  }

  /** The names of queues with messages between two names. */
  list(from: string, to: string, limit: number): string[] {
    return this.#list.all(this.#namespace + from, this.#namespace + to, limit).map(({ name }) => this.#without(name));
  }

  /** The names of queues with leases that have expired, at most `limit`. */
  withExpiredLeases(limit: number, now: number): string[] {
    const { from, to } = prefixRange([]);
    const rows = this.#withExpiredLeases.all(this.#namespace + from, this.#namespace + to, now, limit);
    return rows.map(({ name }) => this.#without(name));
  }

  /** What can be told of a queue without settling anything. */
  stats(name: string): Stats | null {
    return this.#stats.get(this.#namespace + name) ?? null;
  }

  /** Writes back what was changed, and tells how many queues are new. */
  save(now: number): number {
    for (const { num, ready, delayed, leased, dead, sequence, wakes } of this.#changed) {
      this.#save.run(ready, delayed, leased, dead, sequence, wakes, now, num);
    }
    return this.#inserted;
  }

  /** Forgets what was read: the transaction has ended. */
  reset(): void {
    this.#known.clear();
    this.#changed.clear();
    this.#inserted = 0;
  }

  #without(name: string): string {
    return name.slice(this.#namespace.length);
  }
}
