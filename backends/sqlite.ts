/** The SQLite backend: one file, safe for several processes at once, with no service to run. @module */

import { requireNumber, requireOneOf, requireOptions, requireString, requireWellFormed } from "../src/check.ts";
import { type Clock, monotonicMs, sleep, systemClock } from "../src/clock.ts";
import {
  asError,
  BackendClosedError,
  BackendUnavailableError,
  CoordinationError,
  OutcomeUnknownError,
} from "../src/errors.ts";
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
  messagesLimit,
  prepareBatch,
  prepareClaim,
  requireCursor,
  requireState,
} from "../src/storage/batch.ts";
import { GroupCommit } from "../src/storage/group_commit.ts";
import { deadlineOf } from "../src/storage/grouped_calls.ts";
import { measureHealth } from "../src/storage/health.ts";
import { decodeKey, encodeKey, encodeKeys, type Key, prefixRange } from "../src/storage/key.ts";
import { Turns } from "../src/storage/turns.ts";
import { UnderWay } from "../src/storage/under_way.ts";
import { readDeliveries, valueEncoder } from "../src/storage/value_text.ts";
import { isInMemory } from "./sqlite/connection.ts";
import { isTroubleOfFile, LockedError, translate } from "./sqlite/driver.ts";
import { Handle } from "./sqlite/handle.ts";
import type { Stored } from "./sqlite/messages.ts";
import { SQLITE_OPTIONS, type SqliteBackendOptions } from "./sqlite/options.ts";
import type { Stats } from "./sqlite/queues.ts";
import { toDelivery, toStoredMessage } from "./sqlite/shapes.ts";
import type { Call, Store } from "./sqlite/store.ts";
import { WAKE_WITHIN_MS, Wakes } from "./sqlite/wakes.ts";

export type { SqliteDatabase, SqliteStatement, SqliteValue } from "./sqlite/driver.ts";
export type { SqliteBackendOptions } from "./sqlite/options.ts";

/** 64 MiB: SQLite takes up to 1 GB, but the event loop stands still while a value is written. */
const MAX_VALUE_BYTES = 64 * 1024 * 1024;
const encodeValue = valueEncoder(MAX_VALUE_BYTES);

/** Listings read so many rows at a time. */
const PAGE_SIZE = 256;

/** `clear` deletes so many records in one step. */
const CLEAR_SIZE = 1000;

// As much as one transaction does at most: some 10 ms, for which other processes wait.
const MAX_GROUP_OPERATIONS = 1000;

// A connection that meets a lock tries again after so long, by chance, lest two of them go on in step.
const RETRY_MS = 10;

/** A call on its way into a transaction. */
interface Submitted {
  readonly call: Call;
  readonly deadlineMs: number;
}

/**
 * Records and queues in one file of SQLite, which any number of processes on one machine may use at once. It needs
 * Deno, Node 22.13 or newer, or a connection of the caller's.
 *
 * Calls that are made at the same time go together in one transaction. A transaction that meets the lock of another
 * process waits for it without blocking, and fails with `BACKEND_UNAVAILABLE` after `busyTimeoutMs`; nothing has
 * happened then. The file is opened by the first call, which fails with `BACKEND_CORRUPT` or `BACKEND_SCHEMA_NEWER`
 * when it is damaged, holds something else or was written by a newer version.
 *
 * What is committed survives `kill -9` at any point: it is in the write-ahead log, in the care of the operating system.
 * Against a loss of power, see `synchronous`. The log needs a file system with shared memory, which network file
 * systems have not.
 *
 * @example
 * ```ts
 * import { SqliteBackend } from "@tta/agent-coordination/sqlite";
 *
 * await using backend = new SqliteBackend({ path: ":memory:" });
 * await backend.commit({ operations: [{ type: "set", key: ["greeting"], value: "hello" }] });
 * const [entry] = await backend.get([["greeting"]]);
 * console.log(entry?.value); // hello
 * ```
 */
export class SqliteBackend implements StorageBackend {
  readonly name: string;
  readonly traits: BackendTraits;
  readonly #handle: Handle;
  readonly #clock: Clock;
  readonly #busyTimeoutMs: number;
  readonly #group: GroupCommit<Submitted, true>;
  readonly #wakes: Wakes;
  readonly #turns = new Turns();
  readonly #calls = new UnderWay();
  #closing: Promise<void> | null = null;

  /**
   * Makes a backend; nothing is opened yet.
   *
   * @throws {TypeError | RangeError} When an option breaks its rule.
   * @throws {CoordinationError} `DRIVER_MISSING`, where the runtime has no `node:sqlite` and no `database` is given.
   */
  constructor(options: SqliteBackendOptions) {
    requireOptions("SqliteBackend", options, SQLITE_OPTIONS);
    const { path, database, namespace = "ao", clock = systemClock, busyTimeoutMs = 5000 } = options;
    const { synchronous = "normal" } = options;
    if ((path === undefined) === (database === undefined)) {
      throw new TypeError("Cannot make the SQLite backend: it needs either path or database");
    }
    requireWellFormed("namespace", namespace, 1, 64);
    requireNumber("busyTimeoutMs", busyTimeoutMs, { min: 0, max: 600_000 });
    requireOneOf("synchronous", synchronous, ["normal", "full"]);
    this.name = path === undefined ? "sqlite" : `sqlite:${requireString("path", path, 1, 4096)}`;
    if (path?.includes("\0")) throw new TypeError("Cannot use path: it must have no NUL");
    const connection = { name: this.name, synchronous, owned: database === undefined };
    this.#handle = new Handle(path, database, encodeKey([namespace]), connection);
    this.#clock = clock;
    this.#busyTimeoutMs = busyTimeoutMs;
    const isAlone = database ? isInMemory(database) : path === ":memory:";
    this.traits = {
      durable: !isAlone,
      shared: !isAlone,
      pushes: isAlone,
      wakeWithinMs: isAlone ? 0 : WAKE_WITHIN_MS,
      clock: "injected",
      timePrecisionMs: 1,
      maxValueBytes: MAX_VALUE_BYTES,
      maxBatchSize: MAX_BATCH_SIZE,
    };
    this.#group = new GroupCommit({
      flush: (submitted) => this.#flush(submitted),
      weigh: ({ call }) => weigh(call),
      maxWeight: MAX_GROUP_OPERATIONS,
    });
    this.#wakes = new Wakes(() => this.#handle.store(), !isAlone);
  }

  async get(keys: readonly Key[]): Promise<(Entry | null)[]> {
    this.#requireOpen();
    const encoded = encodeKeys(keys);
    return await this.#read((store, now) => {
      const get = () => encoded.map((key) => store.records.get(key, now));
      return encoded.length > 1 ? store.connection.read(get) : get();
    });
  }

  async *list(prefix: Key, options: ListOptions = {}): AsyncGenerator<Entry> {
    this.#requireOpen();
    let limit = listLimit(options);
    let { after } = options;
    encodeKey(prefix);
    while (limit > 0) {
      const size = Math.min(limit, PAGE_SIZE);
      const page = await this.#read((store, now) =>
        store.records.list(prefix, size, { ...options, ...(after && { after }) }, now)
      );
      yield* page;
      if (page.length < size) return;
      after = page.at(-1)?.key;
      limit -= page.length;
    }
  }

  async count(prefix: Key): Promise<number> {
    this.#requireOpen();
    encodeKey(prefix);
    return await this.#read((store, now) => store.records.count(prefix, now));
  }

  async clear(prefix: Key): Promise<number> {
    this.#requireOpen();
    encodeKey(prefix);
    for (let cleared = 0;;) {
      const call: Call = { type: "clear", prefix, limit: CLEAR_SIZE, result: { deleted: 0, live: 0 } };
      await this.#write(call);
      cleared += call.result.live;
      if (call.result.deleted < CLEAR_SIZE) return cleared;
      await this.#turns.next();
    }
  }

  async changes(parent: Key, after?: string): Promise<Changes> {
    this.#requireOpen();
    const [encoded, cursor] = [encodeKey(parent), requireCursor(after)];
    return await this.#read(({ records, connection }, now) =>
      connection.read(() => records.changes(encoded, cursor, now))
    );
  }

  async commit(batch: Batch): Promise<CommitResult> {
    this.#requireOpen();
    const call: Call = { type: "commit", batch: prepareBatch(batch, encodeValue), result: null };
    await this.#write(call);
    // deno-coverage-ignore -- the compiler asks for it: a call that was run has a result
    if (call.result === null) throw new Error("Cannot tell what became of the batch: it was not run");
    return call.result;
  }

  async claim(queue: Key, options: ClaimOptions): Promise<Delivery[]> {
    this.#requireOpen();
    const claim = prepareClaim(queue, options);
    while (true) {
      const call: Extract<Call, { type: "claim" }> = { type: "claim", claim, result: null };
      await this.#write(call);
      if (call.result) return readDeliveries(call.result, (claimed) => toDelivery(claimed, queue));
      await this.#turns.next();
    }
  }

  async recover(queue?: Key): Promise<number> {
    this.#requireOpen();
    return await this.#settle(queue === undefined ? null : encodeKey(queue));
  }

  async *messages(queue: Key, state: MessageState, options: MessageListOptions = {}): AsyncGenerator<StoredMessage> {
    this.#requireOpen();
    let limit = messagesLimit(options);
    requireState(state);
    // Messages that come into the state while the caller looks at the first ones are not listed.
    const stats = await this.#settledStats(encodeKey(queue));
    let behind: Stored | null = null;
    while (stats && limit > 0) {
      const size = Math.min(limit, PAGE_SIZE);
      const page: readonly Stored[] = await this.#read(({ messages }) =>
        messages.page(stats.num, state, behind, stats.sequence, size)
      );
      for (const message of page) yield toStoredMessage(message, queue);
      if (page.length < size) return;
      // deno-coverage-ignore -- the compiler asks for it: a full page has a last row
      behind = page.at(-1) ?? null;
      limit -= page.length;
    }
  }

  async stats(queue: Key): Promise<QueueStats> {
    this.#requireOpen();
    const stats = await this.#settledStats(encodeKey(queue));
    if (!stats) return { ready: 0, delayed: 0, leased: 0, dead: 0, nextDueInMs: null };
    const { ready, delayed, leased, dead } = stats;
    const nextDueAtMs = nextDueAt(stats);
    return {
      ready,
      delayed,
      leased,
      dead,
      nextDueInMs: nextDueAtMs === Infinity ? null : Math.max(nextDueAtMs - this.#clock.now(), 0),
    };
  }

  async *queues(prefix: Key = []): AsyncGenerator<Key> {
    let { from, to } = prefixRange(prefix);
    while (true) {
      const names: readonly string[] = await this.#read(({ queues }) => queues.list(from, to, PAGE_SIZE));
      for (const name of names) yield decodeKey(name);
      if (names.length < PAGE_SIZE) return;
      // deno-coverage-ignore -- the compiler asks for it: a full page has a last row
      from = names.at(-1) ?? to;
    }
  }

  async listen(topic: Key, wake: () => void): Promise<Unlisten> {
    this.#requireOpen();
    const encoded = encodeKey(topic);
    return await this.#read(() => {
      this.#requireOpen(); // it may have been closed while this waited for a lock
      return this.#wakes.add(encoded, wake);
    });
  }

  ping(): Promise<Health> {
    return measureHealth(() => this.#read(({ connection }) => connection.dataVersion()));
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** The same as {@linkcode close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.resolve(); // whoever is woken finds it closed
    this.#wakes.clear();
    await this.#group.drain();
    await this.#calls.drain();
    this.#handle.close();
    await this.#turns.end();
  }

  #requireOpen(): void {
    if (this.#closing) throw new BackendClosedError(this.name);
  }

  /** Looks at the store, at the present time. */
  #read<Result>(look: (store: Store, now: number) => Result): Promise<Result> {
    this.#requireOpen();
    return this.#patiently(
      () => look(this.#handle.store(), this.#clock.now()),
      monotonicMs(systemClock) + this.#busyTimeoutMs,
    );
  }

  /** Makes a call, in one transaction with those made at the same time. */
  #write(call: Call): Promise<true> {
    this.#requireOpen();
    return this.#group.run({ call, deadlineMs: monotonicMs(systemClock) + this.#busyTimeoutMs });
  }

  async #flush(submitted: readonly Submitted[]): Promise<readonly (true | Error)[]> {
    try {
      await this.#together(submitted);
      return submitted.map(() => true);
    } catch (error) {
      if (submitted.length === 1 || !this.#handle.isOpen || isFateOfAll(error)) throw error;
    }
    // What one of them met is not the others' fault: a disk may have no room for a message, and enough to acknowledge
    // one.
    const outcomes: (true | Error)[] = [];
    for (const each of submitted) {
      const outcome = this.#together([each]).then(() => true as const);
      outcomes.push(await outcome.catch(asError));
    }
    return outcomes;
  }

  async #together(submitted: readonly Submitted[]): Promise<void> {
    const calls = submitted.map(({ call }) => call);
    // All give up with the first one, so that none waits for two groups in turn.
    const deadlineMs = deadlineOf(submitted);
    const wakes = await this.#patiently(() => this.#handle.store().run(calls, this.#clock.now()), deadlineMs);
    for (const [topic, count] of wakes) this.#wakes.wake(topic, count);
  }

  /** Does `work`, again and again while another connection holds a lock. */
  #patiently<Result>(work: () => Result, deadlineMs: number): Promise<Result> {
    return this.#calls.run(async () => {
      while (true) {
        const turn = this.#turns.due();
        if (turn) await turn;
        try {
          return work();
        } catch (error) {
          const translated = translate(error, this.name);
          if (isTroubleOfFile(error)) this.#handle.doubt();
          if (!(translated instanceof LockedError)) throw translated;
          if (monotonicMs(systemClock) >= deadlineMs) throw this.#lockedFor(translated);
        }
        // On the system's clock, also where another one decides about leases: other processes live in real time.
        await sleep(systemClock, Math.random() * RETRY_MS);
      }
    });
  }

  #lockedFor(cause: LockedError): BackendUnavailableError {
    const why = `another connection has kept it locked for ${this.#busyTimeoutMs} ms`;
    return new BackendUnavailableError(`Cannot reach the backend "${this.name}": ${why}`, { cause });
  }

  /** Ends expired leases, and puts what is due into the line. */
  async #settle(queue: string | null): Promise<number> {
    for (let leases = 0;;) {
      const call: Call = { type: "recover", queue, result: { leases: 0, more: false } };
      await this.#write(call);
      leases += call.result.leases;
      if (!call.result.more) return leases;
      await this.#turns.next();
    }
  }

  /** The counters of a queue once nothing in it has become due or expired; `null` where there is no such queue. */
  async #settledStats(queue: string): Promise<Stats | null> {
    const stats = await this.#read(({ queues }) => queues.stats(queue));
    if (!stats || nextDueAt(stats) > this.#clock.now()) return stats;
    await this.#settle(queue);
    return await this.#read(({ queues }) => queues.stats(queue));
  }
}

/** Whether what failed is no better for each call alone: it may have happened, or a lock was waited for in vain. */
function isFateOfAll(error: unknown): boolean {
  return error instanceof OutcomeUnknownError ||
    (error instanceof CoordinationError && error.cause instanceof LockedError);
}

/** How many operations a call comes to. */
function weigh(call: Call): number {
  if (call.type === "commit") return call.batch.checks.length + call.batch.operations.length;
  return call.type === "claim" ? call.claim.limit : CLEAR_SIZE;
}

function nextDueAt({ next_due_at, next_end_at }: Stats): number {
  return Math.min(next_due_at ?? Infinity, next_end_at ?? Infinity);
}
