/** An open store: the parts that work on one connection, and the transactions that calls share. @module */

import type { CommitResult } from "../../src/storage/backend.ts";
import type { PreparedBatch, PreparedClaim } from "../../src/storage/batch.ts";
import { groupBy } from "../../src/storage/es2024.ts";
import type { Key } from "../../src/storage/key.ts";
import { Committer } from "./commit.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import type { SqliteDatabase } from "./driver.ts";
import { type Claimed, Messages } from "./messages.ts";
import { type Queue, Queues } from "./queues.ts";
import { type Cleared, Records } from "./records.ts";
import { Sweep } from "./sweep.ts";

/** A call that writes, with its result once the transaction has been committed. */
export type Call =
  | { readonly type: "commit"; readonly batch: PreparedBatch<string>; result: CommitResult | null }
  | { readonly type: "claim"; readonly claim: PreparedClaim; result: readonly Claimed[] | null }
  | { readonly type: "recover"; readonly queue: string | null; result: Recovered }
  | { readonly type: "clear"; readonly prefix: Key; readonly limit: number; result: Cleared };

/** How many leases were ended, and whether there may be more to settle, for another transaction. */
export interface Recovered {
  readonly leases: number;
  readonly more: boolean;
}

type ClaimCall = Extract<Call, { readonly type: "claim" }>;

/** A topic whose listeners are to be woken, and how often they have been. */
export type Wake = readonly [topic: string, wakes: number];

// One transaction moves so many messages that are due or whose lease has expired: 4 or 18 ms, for which all others
// wait.
const MAX_SETTLED = 1000;

/** The records and queues of one namespace, on a connection of their own. */
export class Store {
  readonly connection: Connection;
  readonly records: Records;
  readonly queues: Queues;
  readonly messages: Messages;
  readonly #committer: Committer;
  readonly #sweep: Sweep;
  /** How many messages the transaction under way may settle yet. */
  #room = 0;

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
   * have no order among them, and so those of one queue become one claim, which sees what the commits brought. A claim
   * has no result where a queue has more to settle first than one transaction does: it is to be made again.
   */
  run(calls: readonly Call[], now: number): Wake[] {
    this.#room = MAX_SETTLED;
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
        const claims = groupBy(calls.filter(isClaim), ({ claim }) => claim.queue + claim.leaseMs);
        for (const together of claims.values()) this.#claim(together, now);
        return this.#finish(topics, now);
      });
    } finally {
      this.records.reset();
      this.queues.reset();
      this.messages.reset();
    }
  }

  #recover(name: string | null, now: number): Recovered {
    let leases = 0;
    for (const each of name === null ? this.queues.withExpiredLeases(this.#room, now) : [name]) {
      if (this.#room === 0) break;
      const queue = this.queues.find(each);
      if (queue) leases += this.#settle(queue, now);
    }
    return { leases, more: this.#room === 0 };
  }

  /** Settles what there is room for, and tells how many leases that ended. */
  #settle(queue: Queue, now: number): number {
    const { due, expired } = this.messages.settle(queue, this.#room, now);
    this.#room -= due + expired;
    return expired;
  }

  /** Leases as many messages as all of these ask for, and deals them out in the order of the calls. */
  #claim(calls: readonly ClaimCall[], now: number): void {
    const [first] = calls;
    const queue = first && this.queues.find(first.claim.queue);
    let claimed: readonly Claimed[] | null = [];
    if (queue) {
      this.#settle(queue, now);
      const limit = calls.reduce((sum, { claim }) => sum + claim.limit, 0);
      if (this.#room === 0 && queue.delayed + queue.leased > 0) claimed = null;
      else if (queue.ready > 0) claimed = this.messages.claim(queue, limit, first.claim.leaseMs, now);
    }
    let start = 0;
    for (const call of calls) call.result = claimed && claimed.slice(start, start += call.claim.limit);
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

function isClaim(call: Call): call is ClaimCall {
  return call.type === "claim";
}
