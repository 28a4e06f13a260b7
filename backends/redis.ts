/** The Redis backend: one server, a cluster, or a primary with replicas; the same data for every process. @module */

import {
  type OptionNames,
  POSITIVE_DURATION,
  requireNumber,
  requireOptions,
  requireString,
  requireWellFormed,
} from "../src/check.ts";
import { monotonicMs, systemClock } from "../src/clock.ts";
import { asError, BackendClosedError } from "../src/errors.ts";
import { randomId } from "../src/ids.ts";
import type {
  BackendTraits,
  Batch,
  Changes,
  ClaimOptions,
  CommitResult,
  Delivery,
  Entry,
  Health,
  ListOptions,
  MessageListOptions,
  MessageState,
  QueueStats,
  StorageBackend,
  StoredMessage,
  Unlisten,
} from "../src/storage/backend.ts";
import { MAX_BATCH_SIZE } from "../src/storage/backend.ts";
import {
  listLimit,
  MAX_CLAIM_LIMIT,
  messagesLimit,
  prepareBatch,
  prepareClaim,
  requireCursor,
  requireState,
} from "../src/storage/batch.ts";
import { GroupCommit } from "../src/storage/group_commit.ts";
import { batchLength, deadlineOf } from "../src/storage/grouped_calls.ts";
import { measureHealth } from "../src/storage/health.ts";
import { decodeKey, encodeKey, encodeKeys, type Key } from "../src/storage/key.ts";
import { partsOf } from "../src/storage/parts.ts";
import { UnderWay } from "../src/storage/under_way.ts";
import { readDeliveries, valueEncoder } from "../src/storage/value_text.ts";
import { Addresses } from "./redis/addresses.ts";
import { boundsAfter, boundsOf } from "./redis/bounds.ts";
import { Connection } from "./redis/connection.ts";
import { loadClient, type RedisClient, type RedisClusterClient } from "./redis/driver.ts";
import { Engine, type Reply } from "./redis/engine.ts";
import { isOutOfMemory } from "./redis/faults.ts";
import { type ListingReads, listMessages } from "./redis/listing.ts";
import { CHANGES } from "./redis/scripts/changes.ts";
import { CLEAR } from "./redis/scripts/clear.ts";
import { COUNT } from "./redis/scripts/count.ts";
import { LIST } from "./redis/scripts/list.ts";
import { QUEUES } from "./redis/scripts/queues.ts";
import { RECOVER } from "./redis/scripts/recover.ts";
import type { Script } from "./redis/scripts/script.ts";
import { STATS } from "./redis/scripts/stats.ts";
import { STEP } from "./redis/scripts/step.ts";
import { needsNoMemory, Step, type StepCall } from "./redis/step.ts";
import { readDelivery, readRecord, readRecords } from "./redis/stored.ts";
import { findTokens } from "./redis/tokens.ts";
import { isClaimed, type StepOutcome, type UnknownLeases } from "./redis/units/unit.ts";
import { serverName } from "./redis/url.ts";
import { POLL_MS, Wakeups } from "./redis/wakeups.ts";

export type { RedisClient, RedisClusterClient, RedisClusterNode } from "./redis/driver.ts";
export type { RedisCommand, RedisCommandClass, RedisConnection, RedisConnectionOptions } from "./redis/driver.ts";

/** How to make a {@linkcode RedisBackend}: with a URL or with a client, one of the two. */
export interface RedisBackendOptions {
  /**
   * Where the server is: `redis://[[user]:password@]host[:port][/database]`, or `rediss:` for TLS. Needs `npm:ioredis`.
   */
  readonly url?: string;
  /**
   * A client that the caller made, `Redis` or `Cluster` of ioredis 5 or 6. Connections are made with its settings, all
   * but those that queue or repeat commands and `keyPrefix`; the client itself is left alone, and not closed.
   */
  readonly client?: RedisClient | RedisClusterClient;
  /** Keeps apart those who share a server; also what Redis Cluster places together. @default {"ao"} */
  readonly namespace?: string;
  /** How long a call may take, in milliseconds, waiting for a connection included. @default {5000} */
  readonly commandTimeoutMs?: number;
}

const OPTIONS: OptionNames<RedisBackendOptions> = { url: true, client: true, namespace: true, commandTimeoutMs: true };

/** Redis takes 512 MB; long before that, one value holds up everybody who shares the server. */
const MAX_VALUE_BYTES = 16 * 1024 * 1024;
const encodeValue = valueEncoder(MAX_VALUE_BYTES);

/** A round trip carries no more than so much text, so that none takes long. */
const MAX_STEP_LENGTH = 1024 * 1024;
/** What weighs as much as the server's time for an operation: one of many of a kind, any other, one that searches. */
const RUN_LENGTH = 200;
const OPERATION_LENGTH = 800;
const PURGE_LENGTH = MAX_STEP_LENGTH / MAX_BATCH_SIZE;
/** So that one round trip leases no more messages than the largest claim. */
const CLAIMED_LENGTH = MAX_STEP_LENGTH / MAX_CLAIM_LIMIT;

/** Fewer calls than these travel together, since a round trip costs as much as some dozen calls. */
const SPREAD_FROM = 64;

const LIST_PAGE = 1000;
const QUEUE_PAGE = 1000;
const RECOVER_PAGE = 100;

/** Two moments: up to which the changes are known, and from which on they were followed. */
const CURSOR = /^(\d{16})\.(\d{16})$/;

/** The records of these encoded keys. */
interface Get {
  readonly keys: readonly string[];
}

/** A call with the time at which its caller is told that it failed. */
type Limited<Call> = Call & { readonly deadlineMs: number };

/**
 * Records and queues on Redis 7.0 or newer, or Valkey: one server, a Cluster, or a primary with replicas, which is
 * found again after a failover. Calls that are made at the same time travel together, and a batch is one atomic script.
 * It holds one connection for commands, and one more while somebody listens.
 *
 * Durable as far as the server is: turn on its append-only file. A write that was told to be done is lost only with the
 * server's last `appendfsync` interval, or with a failover to a replica that lagged.
 *
 * @example
 * ```ts ignore
 * import { RedisBackend } from "@tta/agent-coordination/redis";
 *
 * await using backend = new RedisBackend({ url: "redis://localhost:6379" });
 * await backend.commit({ operations: [{ type: "set", key: ["greeting"], value: "hello" }] });
 * ```
 */
export class RedisBackend implements StorageBackend {
  readonly name: string;
  readonly traits: BackendTraits = {
    durable: true,
    shared: true,
    pushes: true,
    wakeWithinMs: POLL_MS,
    clock: "engine",
    timePrecisionMs: 1,
    maxValueBytes: MAX_VALUE_BYTES,
    maxBatchSize: MAX_BATCH_SIZE,
  };
  /** The first key of every script, from which all others derive: one hash tag for all of a namespace. */
  readonly #root: string;
  readonly #limitMs: number;
  readonly #connection: Connection;
  readonly #engine: Engine;
  readonly #wakeups: Wakeups;
  readonly #steps: GroupCommit<Limited<StepCall>, StepOutcome>;
  readonly #gets: GroupCommit<Limited<Get>, readonly (string | null)[]>;
  readonly #calls = new UnderWay();
  readonly #result = (outcome: StepOutcome) => this.#toResult(outcome);
  readonly #listing: ListingReads = {
    settled: (script, args) => this.#settled(script, args),
    read: (script, args) => this.#read(script, args),
  };
  #closed: Promise<void> | null = null;

  /**
   * Connects to nothing before the first call.
   *
   * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
   */
  constructor(options: RedisBackendOptions) {
    requireOptions("RedisBackend", options, OPTIONS);
    const { url, client, namespace = "ao", commandTimeoutMs = 5000 } = options;
    if ((url === undefined) === (client === undefined)) {
      throw new TypeError("Cannot use the options: they must have either url or client");
    }
    requireWellFormed("namespace", namespace, 1, 256);
    this.name = url === undefined ? "redis" : serverName(requireString("url", url, 1, 4096));
    this.#root = `{${encodeURIComponent(namespace)}}`;
    this.#limitMs = requireNumber("commandTimeoutMs", commandTimeoutMs, POSITIVE_DURATION);
    let found: Promise<Addresses> | null = null;
    // deno-coverage-ignore -- the compiler asks for it: without a client there is a URL
    const addresses = () => found ??= (async () => new Addresses(client ?? await loadClient(url ?? "")))();
    this.#connection = new Connection(this.name, addresses);
    this.#engine = new Engine(this.name, this.#root, this.#connection);
    this.#wakeups = new Wakeups(new Connection(this.name, addresses), `${this.#root}:t:`, this.#limitMs);
    this.#steps = new GroupCommit<Limited<StepCall>, StepOutcome>({
      flush: (calls) => this.#flushSteps(calls),
      weigh: weightOf,
      maxWeight: MAX_STEP_LENGTH,
      // One is worked on by the server while the other is written or read here.
      maxInFlight: 2,
      spreadFrom: SPREAD_FROM,
    });
    this.#gets = new GroupCommit({ flush: (calls) => this.#flushGets(calls), maxInFlight: 2 });
  }

  async get(keys: readonly Key[]): Promise<(Entry | null)[]> {
    this.#begin();
    const encoded = encodeKeys(keys);
    const texts = await this.#gets.run({ keys: encoded, deadlineMs: this.#deadline() });
    return encoded.map((key, index) => {
      const text = texts[index];
      return typeof text === "string" ? readRecord(key, text) : null;
    });
  }

  async *list(prefix: Key, options: ListOptions = {}): AsyncGenerator<Entry> {
    let limit = listLimit(options);
    const { reverse = false, after } = options;
    let { low, high } = after === undefined ? boundsOf(prefix) : boundsAfter(prefix, after, reverse);
    while (limit > 0) {
      const args = [low, high, reverse ? "1" : "0", String(Math.min(limit, LIST_PAGE))];
      const [reached, ...found] = await this.#read(LIST, args);
      yield* readRecords(found);
      limit -= found.length / 2;
      if (reached === "") return;
      if (reverse) high = `(${reached}`;
      else low = `(${reached}`;
    }
    this.#begin();
  }

  count(prefix: Key): Promise<number> {
    return this.#track(async () => {
      const { low, high } = boundsOf(prefix);
      for (;;) {
        const [again, count] = await this.#engine.read(COUNT, [low, high], this.#deadline());
        if (again === 0) return Number(count);
      }
    });
  }

  clear(prefix: Key): Promise<number> {
    return this.#track(async () => {
      const { low, high } = boundsOf(prefix);
      let cleared = 0;
      for (;;) {
        const [, again, count] = await this.#engine.write(CLEAR, [low, high], this.#deadline());
        cleared += Number(count);
        if (again === 0) return cleared;
      }
    });
  }

  changes(parent: Key, after?: string): Promise<Changes> {
    return this.#track(async () => {
      const [, position = "", since = ""] = CURSOR.exec(requireCursor(after) ?? "") ?? [];
      const reply = await this.#engine.read(CHANGES, [encodeKey(parent), position, since], this.#deadline());
      const [now, known, more, reached, began, count, ...rest] = reply;
      const deletions = Number(count);
      return {
        entries: readRecords(rest.slice(deletions)),
        deleted: rest.slice(0, deletions).map((key) => decodeKey(String(key))),
        cursor: `${reached}.${began}`,
        more: more === 1,
        reset: known === 0,
        nowMs: Number(now),
      };
    });
  }

  commit(batch: Batch): Promise<CommitResult> {
    // An async function would keep the batch until the answer comes, beside its text.
    try {
      this.#begin();
      const prepared = prepareBatch(batch, encodeValue);
      return this.#steps.run({ type: "commit", batch: prepared, deadlineMs: this.#deadline() }).then(this.#result);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async claim(queue: Key, options: ClaimOptions): Promise<Delivery[]> {
    this.#begin();
    const claim = prepareClaim(queue, options);
    for (;; this.#begin()) {
      const outcome = await this.#steps.run({ type: "claim", claim, deadlineMs: this.#deadline() });
      if (outcome === null) continue;
      // deno-coverage-ignore -- the compiler asks for it: each call gets its own outcome
      if (!isClaimed(outcome)) throw new Error("Cannot claim: it got the outcome of a batch");
      return readDeliveries(outcome, (claimed) => readDelivery(queue, claimed));
    }
  }

  recover(queue?: Key): Promise<number> {
    return this.#track(async () => {
      if (queue !== undefined) return await this.#recover([encodeKey(queue)]);
      let recovered = 0;
      for await (const names of this.#queueNames([])) {
        for (const some of partsOf(names, RECOVER_PAGE)) recovered += await this.#recover(some);
      }
      return recovered;
    });
  }

  async *messages(queue: Key, state: MessageState, options: MessageListOptions = {}): AsyncGenerator<StoredMessage> {
    yield* listMessages(this.#listing, queue, requireState(state), messagesLimit(options));
    this.#begin();
  }

  async stats(queue: Key): Promise<QueueStats> {
    const reply = (await this.#settled(STATS, [encodeKey(queue)])).map(Number);
    const [ready = 0, delayed = 0, leased = 0, dead = 0, next = -1] = reply;
    return { ready, delayed, leased, dead, nextDueInMs: next === -1 ? null : next };
  }

  async *queues(prefix: Key = []): AsyncGenerator<Key> {
    for await (const names of this.#queueNames(prefix)) yield* names.map(decodeKey);
  }

  listen(topic: Key, wake: () => void): Promise<Unlisten> {
    return this.#track(async () => await this.#wakeups.listen(encodeKey(topic), wake));
  }

  ping(): Promise<Health> {
    return measureHealth(async () => {
      this.#begin();
      const deadlineMs = this.#deadline();
      await this.#connection.run("read", deadlineMs, (link) => link.run((client) => client.ping(), deadlineMs));
    });
  }

  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  /** The same as {@linkcode close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.resolve(); // whoever is woken finds it closed
    this.#wakeups.wakeAll();
    await Promise.all([this.#steps.drain(), this.#gets.drain(), this.#calls.drain()]);
    await this.#wakeups.close();
    await this.#connection.close();
  }

  async *#queueNames(prefix: Key): AsyncGenerator<string[]> {
    let { low } = boundsOf(prefix);
    const { high } = boundsOf(prefix);
    for (;;) {
      const names = (await this.#read(QUEUES, [low, high, String(QUEUE_PAGE)])).map(String);
      yield names;
      if (names.length < QUEUE_PAGE) return;
      low = `(${names.at(-1)}`;
    }
  }

  async #recover(names: readonly string[]): Promise<number> {
    for (let recovered = 0;;) {
      const [isAll, count] = await this.#engine.read(RECOVER, names, this.#deadline());
      recovered += Number(count);
      if (isAll !== 0) return recovered;
    }
  }

  /** The result of a batch; before it comes to one, the leases may have to be found that it ends by purging. */
  #toResult(outcome: StepOutcome): CommitResult | Promise<CommitResult> {
    // deno-coverage-ignore -- the compiler asks for it: each call gets its own outcome
    if (isClaimed(outcome)) throw new Error("Cannot commit the batch: it got the outcome of a claim");
    return "committed" in outcome ? outcome : this.#commitWithTokens(outcome);
  }

  async #commitWithTokens(outcome: UnknownLeases): Promise<CommitResult> {
    const tokens = await findTokens((script, args) => this.#read(script, args), outcome);
    this.#begin();
    const again = { type: "commit", batch: outcome.batch, tokens, deadlineMs: this.#deadline() } as const;
    return await this.#toResult(await this.#steps.run(again));
  }

  async #flushSteps(calls: readonly Limited<StepCall>[]): Promise<(StepOutcome | Error)[]> {
    try {
      const step = new Step(calls);
      const [, ...replies] = await this.#engine.write(STEP, step.args(randomId()), deadlineOf(calls));
      return step.outcomes(replies);
    } catch (error) {
      if (!isOutOfMemory(error)) throw error;
      // What frees memory must not fail together with what fills it.
      const freeing = calls.filter(needsNoMemory);
      if (freeing.length === 0 || freeing.length === calls.length) throw error;
      const outcomes = await this.#flushSteps(freeing);
      return calls.map((call) => needsNoMemory(call) ? outcomes.shift() ?? null : asError(error));
    }
  }

  async #flushGets(calls: readonly Limited<Get>[]): Promise<(readonly (string | null)[])[]> {
    const keys = calls.flatMap((call) => call.keys);
    const found = await this.#engine.readStrings(keys.map((key) => `${this.#root}:v:${key}`), deadlineOf(calls));
    let start = 0;
    return calls.map((call) => found.slice(start, start += call.keys.length));
  }

  /** One round trip of a listing, or of a call that consists of several. */
  async #read(script: Script, args: readonly string[]): Promise<Reply> {
    return await this.#track(() => this.#engine.read(script, args, this.#deadline()));
  }

  /**
   * What a script answers once it has settled all there is to settle, which takes as many round trips as there is much.
   */
  async #settled(script: Script, args: readonly string[]): Promise<Reply> {
    for (;;) {
      const [isSettled, ...rest] = await this.#read(script, args);
      if (isSettled !== 0) return rest;
    }
  }

  /** A call that `close()` waits for; those that travel in groups, it waits for there. */
  async #track<Result>(call: () => Promise<Result>): Promise<Result> {
    this.#begin();
    return await this.#calls.run(call);
  }

  #begin(): void {
    if (this.#closed) throw new BackendClosedError(this.name);
  }

  #deadline(): number {
    return monotonicMs(systemClock) + this.#limitMs;
  }
}

/** The length of the text of a call, and what stands for the time that the server needs beside. */
function weightOf(call: StepCall): number {
  if (call.type === "claim") return CLAIMED_LENGTH * call.claim.limit;
  const { checks, operations } = call.batch;
  let weight = batchLength(call.batch, RUN_LENGTH) + checks.length * OPERATION_LENGTH;
  const first = operations[0]?.type;
  for (const operation of operations) {
    const { type } = operation;
    const isRun = type === first && (type === "enqueue" ? operation.delayMs === 0 : type === "ack");
    if (!isRun) weight += type === "purge" ? PURGE_LENGTH : OPERATION_LENGTH;
  }
  return weight;
}
