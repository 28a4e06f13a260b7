/** The memory backend: everything in this process, gone with it; the reference for the other engines. @module */

import { requireClock, requireOptions } from "../src/check.ts";
import { type Clock, systemClock } from "../src/clock.ts";
import { BackendClosedError } from "../src/errors.ts";
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
  OperationResult,
  QueueStats,
  Refused,
  StorageBackend,
  StoredMessage,
  Unlisten,
} from "../src/storage/backend.ts";
import { MAX_BATCH_SIZE } from "../src/storage/backend.ts";
import {
  listLimit,
  messagesLimit,
  prepareBatch,
  prepareClaim,
  type PreparedBatch,
  type PreparedOperation,
  requireCursor,
  requireState,
} from "../src/storage/batch.ts";
import { copyJson, type JsonValue } from "../src/storage/json.ts";
import { compareEncoded, decodeKey, encodeKey, encodeKeys, type Key, prefixRange } from "../src/storage/key.ts";
import { Listeners } from "../src/storage/listeners.ts";
import { Turns } from "../src/storage/turns.ts";
import { type Message, Queue } from "./memory/queue.ts";
import { Records } from "./memory/records.ts";

/** How to make a {@linkcode MemoryBackend}. */
export interface MemoryBackendOptions {
  /** The source of time. @default {systemClock} */
  readonly clock?: Clock;
}

// Listings copy so many records at a time, so that a reader of a long listing can stop early.
const PAGE_SIZE = 1000;

// Empty queues are looked for once in so many commits.
const SWEEP_COMMITS = 1024;

/**
 * Records and queues in this process. Every method does its work before it returns its promise, so that calls never
 * interleave and a batch is atomic by nature; in a long chain of calls a promise now and then waits for timers and
 * sockets.
 *
 * @example
 * ```ts
 * import { MemoryBackend } from "@tta/agent-coordination/memory";
 *
 * await using backend = new MemoryBackend();
 * await backend.commit({ operations: [{ type: "set", key: ["greeting"], value: "hello" }] });
 * const [entry] = await backend.get([["greeting"]]);
 * console.log(entry?.value); // hello
 * ```
 */
export class MemoryBackend implements StorageBackend {
  readonly name = "memory";
  readonly traits: BackendTraits = {
    durable: false,
    shared: false,
    pushes: true,
    wakeWithinMs: 0,
    clock: "injected",
    timePrecisionMs: 1,
    maxValueBytes: Infinity,
    maxBatchSize: MAX_BATCH_SIZE,
  };
  readonly #clock: Clock;
  readonly #records = new Records();
  readonly #queues = new Map<string, Queue>();
  readonly #listeners = new Listeners();
  readonly #turns: Turns | null;
  // Nobody outside of this process sees the tokens: what makes them random is made once, and a count makes each new.
  readonly #tokens = randomId();
  readonly #nextToken = () => `${this.#tokens}.${++this.#claims}`;
  #claims = 0;
  #commits = 0;
  #closed = false;

  /**
   * Makes an empty store.
   *
   * @throws {TypeError} Naming the option that there is not, or that is no clock.
   */
  constructor(options: MemoryBackendOptions = {}) {
    requireOptions("MemoryBackend", options, { clock: requireClock });
    this.#clock = options.clock ?? systemClock;
    // Whoever moves the clock by hand has no timer that could starve, and counts on answers at once.
    this.#turns = options.clock ? null : new Turns();
  }

  // deno-lint-ignore require-await -- async so that a mistake rejects instead of throwing
  async get(keys: readonly Key[]): Promise<(Entry | null)[]> {
    this.#begin();
    return this.#afterTurn(encodeKeys(keys).map((key) => this.#records.get(key)));
  }

  async *list(prefix: Key, options: ListOptions = {}): AsyncGenerator<Entry> {
    let limit = listLimit(options);
    let { after } = options;
    while (limit > 0) {
      this.#begin();
      const pageSize = Math.min(limit, PAGE_SIZE);
      const page = this.#records.list(prefix, { ...options, limit: pageSize, ...(after && { after }) });
      yield* page;
      after = page.at(-1)?.key;
      if (page.length < pageSize) return;
      limit -= page.length;
    }
  }

  // deno-lint-ignore require-await -- async so that a mistake rejects instead of throwing
  async count(prefix: Key): Promise<number> {
    this.#begin();
    return this.#records.count(prefix);
  }

  // deno-lint-ignore require-await -- async so that a mistake rejects instead of throwing
  async clear(prefix: Key): Promise<number> {
    this.#begin();
    return this.#records.clear(prefix);
  }

  // deno-lint-ignore require-await -- async so that a mistake rejects instead of throwing
  async changes(parent: Key, after?: string): Promise<Changes> {
    const now = this.#begin();
    return this.#records.changes(encodeKey(parent), requireCursor(after), now);
  }

  // deno-lint-ignore require-await -- async so that a mistake rejects instead of throwing
  async commit(batch: Batch): Promise<CommitResult> {
    const now = this.#begin();
    const prepared = prepareBatch(batch, copyJson);
    const refused = this.#refusal(prepared, now);
    if (refused) return refused;
    const results = prepared.operations.map((operation) => this.#apply(operation, now));
    this.#wake(prepared);
    this.#sweep(now);
    return this.#afterTurn({ committed: true, results });
  }

  // deno-lint-ignore require-await -- async so that a mistake rejects instead of throwing
  async claim(queue: Key, options: ClaimOptions): Promise<Delivery[]> {
    const now = this.#begin();
    const { queue: name, leaseMs, limit } = prepareClaim(queue, options);
    const claimed = this.#queues.get(name)?.claim(limit, leaseMs, now, this.#nextToken) ?? [];
    return this.#afterTurn(claimed.map((message) => toDelivery(message, queue)));
  }

  // deno-lint-ignore require-await -- async so that a mistake rejects instead of throwing
  async recover(queue?: Key): Promise<number> {
    const now = this.#begin();
    if (queue !== undefined) return this.#queues.get(encodeKey(queue))?.settle(now) ?? 0;
    let recovered = 0;
    for (const each of this.#queues.values()) recovered += each.settle(now);
    return recovered;
  }

  async *messages(queue: Key, state: MessageState, options: MessageListOptions = {}): AsyncGenerator<StoredMessage> {
    const now = this.#begin();
    const limit = messagesLimit(options);
    requireState(state);
    const stored = this.#queues.get(encodeKey(queue));
    stored?.settle(now);
    // The snapshot is taken at once: the messages may move while the caller looks at the first of them.
    const snapshot: StoredMessage[] = [];
    for (const message of stored?.list(state) ?? []) {
      if (snapshot.length >= limit) break;
      snapshot.push(toStoredMessage(message, queue));
    }
    yield* snapshot;
  }

  // deno-lint-ignore require-await -- async so that a mistake rejects instead of throwing
  async stats(queue: Key): Promise<QueueStats> {
    const now = this.#begin();
    const stored = this.#queues.get(encodeKey(queue));
    if (stored === undefined) return { ready: 0, delayed: 0, leased: 0, dead: 0, nextDueInMs: null };
    stored.settle(now);
    const nextDueAtMs = stored.nextDueAtMs();
    return { ...stored.counts(), nextDueInMs: nextDueAtMs === Infinity ? null : nextDueAtMs - now };
  }

  async *queues(prefix: Key = []): AsyncGenerator<Key> {
    this.#begin();
    const { from, to } = prefixRange(prefix);
    const names = [...this.#queues.keys()].filter((name) =>
      // deno-coverage-ignore -- the compiler asks for it: the name was listed just now
      compareEncoded(name, from) > 0 && compareEncoded(name, to) < 0 && (this.#queues.get(name)?.size ?? 0) > 0
    );
    for (const name of names.sort(compareEncoded)) yield decodeKey(name);
  }

  // deno-lint-ignore require-await -- async so that a mistake rejects instead of throwing
  async listen(topic: Key, wake: () => void): Promise<Unlisten> {
    this.#begin();
    return this.#listeners.add(encodeKey(topic), wake);
  }

  ping(): Promise<Health> {
    return Promise.resolve(
      this.#closed
        ? { healthy: false, latencyMs: 0, error: new BackendClosedError(this.name).message }
        : { healthy: true, latencyMs: 0 },
    );
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#listeners.wakeAll(); // whoever waits is to learn of it now
    this.#listeners.clear();
    return this.#turns?.end() ?? Promise.resolve();
  }

  /** The same as {@linkcode close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Every call begins here: on an open backend, at one time, with nothing expired in sight. */
  #begin(): number {
    if (this.#closed) throw new BackendClosedError(this.name);
    const now = this.#clock.now();
    this.#records.expire(now);
    return now;
  }

  /** What a call comes to: at once, or in a long chain of calls after a turn of the event loop. */
  #afterTurn<Result>(result: Result): Result | Promise<Result> {
    const turn = this.#turns?.due();
    return turn ? turn.then(() => result) : result;
  }

  /** Why a batch cannot be, before any of it happens. */
  #refusal({ checks, operations }: PreparedBatch<JsonValue>, now: number): Refused | null {
    for (let index = 0; index < checks.length; index++) {
      const check = checks[index];
      if (check && this.#records.version(check.key) !== check.version) return refuse("conflict", index);
    }
    const growth = operations.length > 1 ? new Map<string, number>() : null;
    for (let index = 0; index < operations.length; index++) {
      const operation = operations[index];
      if (operation === undefined || !("queue" in operation)) continue;
      const queue = this.#queues.get(operation.queue);
      if ("token" in operation) {
        if (!queue?.holds(operation, now)) return refuse("lease_lost", index);
      } else if (operation.type === "enqueue") {
        const live = (queue?.live ?? 0) + (growth?.get(operation.queue) ?? 0);
        // Duplicates are never refused, and told apart only where it matters.
        if (live >= operation.capacity && !queue?.knows(operation.id, now)) return refuse("full", index);
      }
      growth?.set(operation.queue, (growth.get(operation.queue) ?? 0) + this.#growth(operation, now));
    }
    return null;
  }

  /** By how many live messages an operation changes its queue. */
  #growth(operation: Extract<PreparedOperation<JsonValue>, { readonly queue: string }>, now: number): number {
    const queue = this.#queues.get(operation.queue);
    const message = queue?.find(operation.id);
    switch (operation.type) {
      case "enqueue":
        return queue?.knows(operation.id, now) ? 0 : 1;
      case "ack":
      case "bury":
        return -1;
      case "retry":
        return message && message.attempts >= message.maxAttempts ? -1 : 0;
      case "redrive":
        return message?.state === "dead" ? 1 : 0;
      case "purge":
        return message && message.state !== "dead" ? -1 : 0;
      case "extend":
        return 0;
    }
  }

  #apply(operation: PreparedOperation<JsonValue>, now: number): OperationResult {
    switch (operation.type) {
      case "set": {
        const { key, value, expiresInMs, tracked } = operation;
        return { type: "set", version: this.#records.set(key, value, now + (expiresInMs ?? Infinity), tracked) };
      }
      case "delete":
        return { type: "delete", existed: this.#records.delete(operation.key) };
      case "enqueue":
        return { type: "enqueue", duplicate: !this.#queue(operation.queue).enqueue(operation, now) };
      case "ack":
        this.#queue(operation.queue).ack(operation.id);
        return { type: "ack" };
      case "retry": {
        const { queue, id, delayMs, error } = operation;
        return { type: "retry", state: this.#queue(queue).retry(id, delayMs, error, now) };
      }
      case "bury":
        this.#queue(operation.queue).bury(operation.id, operation.error, now);
        return { type: "bury" };
      case "extend": {
        const { queue, id, leaseMs } = operation;
        return { type: "extend", leaseExpiresAtMs: this.#queue(queue).extend(id, leaseMs, now) };
      }
      case "redrive":
        return { type: "redrive", found: this.#queues.get(operation.queue)?.redrive(operation.id, now) ?? false };
      case "purge":
        return { type: "purge", found: this.#queues.get(operation.queue)?.purge(operation.id) ?? false };
    }
  }

  #queue(name: string): Queue {
    let queue = this.#queues.get(name);
    if (queue === undefined) this.#queues.set(name, queue = new Queue());
    return queue;
  }

  #wake({ operations, notify }: PreparedBatch<JsonValue>): void {
    if (this.#listeners.size === 0) return;
    const topics = new Set(notify);
    for (const operation of operations) {
      if (operation.type === "enqueue" || operation.type === "retry" || operation.type === "redrive") {
        topics.add(operation.queue);
      }
    }
    for (const topic of topics) this.#listeners.wake(topic);
  }

  /** Forgets queues that neither hold nor remember anything, once in a while, at O(1) a commit. */
  #sweep(now: number): void {
    if (++this.#commits < SWEEP_COMMITS + this.#queues.size) return;
    this.#commits = 0;
    for (const [name, queue] of this.#queues) if (queue.isForgotten(now)) this.#queues.delete(name);
  }
}

function refuse(reason: Refused["reason"], index: number): Refused {
  return { committed: false, reason, index };
}

function toDelivery(message: Message, queue: Key): Delivery {
  const { id, token, value, priority, attempts, maxAttempts, enqueuedAtMs, dueAtMs, lastError } = message;
  const delivery = {
    queue,
    id,
    token,
    value: copyJson(value),
    priority,
    attempt: attempts,
    maxAttempts,
    enqueuedAtMs,
    leaseExpiresAtMs: dueAtMs,
  };
  return lastError === null ? delivery : { ...delivery, lastError };
}

function toStoredMessage(message: Message, queue: Key): StoredMessage {
  const { id, value, priority, state, attempts, maxAttempts, enqueuedAtMs, dueAtMs, lastError } = message;
  return {
    queue,
    id,
    value: copyJson(value),
    priority,
    state,
    attempts,
    maxAttempts,
    enqueuedAtMs,
    dueAtMs,
    ...(lastError !== null && { lastError }),
  };
}
