/** An open store: the parts that work on one connection, and the transactions that calls share. @module */

import type { CommitResult } from "../../src/storage/backend.ts";
import type { PreparedBatch, PreparedClaim } from "../../src/storage/batch.ts";
import type { Key } from "../../src/storage/key.ts";
import { Committer } from "./commit.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import type { SqliteDatabase } from "./driver.ts";
import { type Claimed, Messages } from "./messages.ts";
import { Queues } from "./queues.ts";
import { type Cleared, Records } from "./records.ts";
import { Sweep } from "./sweep.ts";

/** A call that writes, with its result once the transaction has been committed. */
export type Call =
  | { readonly type: "commit"; readonly batch: PreparedBatch<string>; result: CommitResult | null }
  | { readonly type: "claim"; readonly claim: PreparedClaim; result: readonly Claimed[] }
  | { readonly type: "recover"; readonly queue: string | null; result: number }
  | { readonly type: "clear"; readonly prefix: Key; readonly limit: number; result: Cleared };

type ClaimCall = Extract<Call, { readonly type: "claim" }>;

/** A topic whose listeners are to be woken, and how often they have been. */
export type Wake = readonly [topic: string, wakes: number];

/** The records and queues of one namespace, on a connection of their own. */
export class Store {
  readonly connection: Connection;
  readonly records: Records;
  readonly queues: Queues;
  readonly messages: Messages;
  readonly #committer: Committer;
  readonly #sweep: Sweep;

  /**
   * Sets a database up and prepares all statements.
   *
   * @throws {BackendCorruptError | SchemaNewerError} When the file is damaged, foreign or newer.
   */
  constructor(database: SqliteDatabase, namespace: string, options: ConnectionOptions) {
    this.connection = new Connection(database, options);
    this.records = new Records(this.connection, namespace);
    this.queues = new Queues(this.connection, namespace);
    this.messages = new Messages(this.connection, this.queues);
    this.#committer = new Committer(this.records, this.queues, this.messages);
    this.#sweep = new Sweep(this.connection);
  }

  /**
   * Makes all calls in one transaction and tells whom to wake. Claims come last: calls that are made at the same time
   * have no order among them, and so those of one queue become one claim, which sees what the commits brought.
   */
  run(calls: readonly Call[], now: number): Wake[] {
    try {
      return this.connection.write(() => {
        const topics = new Set<string>();
        for (const call of calls) {
          if (call.type === "commit") {
            call.result = this.#committer.commit(call.batch, now);
            if (call.result.committed) addTopics(topics, call.batch);
          } else if (call.type === "clear") call.result = this.records.clear(call.prefix, call.limit, now);
          else if (call.type === "recover") call.result = this.#recover(call.queue, now);
        }
        for (const claims of groupClaims(calls)) this.#claim(claims, now);
        return this.#finish(topics, now);
      });
    } finally {
      this.records.reset();
      this.queues.reset();
      this.messages.reset();
    }
  }

  #recover(name: string | null, now: number): number {
    let recovered = 0;
    for (const each of name === null ? this.queues.withExpiredLeases(now) : [name]) {
      const queue = this.queues.find(each);
      if (queue) recovered += this.messages.settle(queue, now);
    }
    return recovered;
  }

  /** Leases as many messages as all of these ask for, and deals them out in the order of the calls. */
  #claim(calls: readonly ClaimCall[], now: number): void {
    const [first] = calls;
    const queue = first && this.queues.find(first.claim.queue);
    let claimed: readonly Claimed[] = [];
    if (queue) {
      this.messages.settle(queue, now);
      const limit = calls.reduce((sum, { claim }) => sum + claim.limit, 0);
      if (queue.ready > 0) claimed = this.messages.claim(queue, limit, first.claim.leaseMs, now);
    }
    let start = 0;
    for (const call of calls) call.result = claimed.slice(start, start += call.claim.limit);
  }

  /** Writes what was put off to the end, and cleans. */
  #finish(topics: ReadonlySet<string>, now: number): Wake[] {
    const newIds = this.messages.flush();
    const wakes = Array.from(topics, (topic): Wake => [topic, this.queues.wake(topic, now)]);
    this.records.save(now);
    const newQueues = this.queues.save(now);
    this.#sweep.pay(newIds + newQueues, now);
    return wakes;
  }
}

/** The topics that a batch wakes: what it names, and queues that something comes into. */
function addTopics(topics: Set<string>, { operations, notify }: PreparedBatch<string>): void {
  for (const topic of notify) topics.add(topic);
  for (const operation of operations) {
    if (operation.type === "enqueue" || operation.type === "retry" || operation.type === "redrive") {
      topics.add(operation.queue);
    }
  }
}

/** The claims that are for the same queue and time, together. */
function groupClaims(calls: readonly Call[]): Iterable<readonly ClaimCall[]> {
  const groups = new Map<string, ClaimCall[]>();
  for (const call of calls) {
    if (call.type !== "claim") continue;
    const key = call.claim.queue + call.claim.leaseMs;
    const group = groups.get(key);
    if (group) group.push(call);
    else groups.set(key, [call]);
  }
  return groups.values();
}
