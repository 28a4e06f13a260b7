/** The Deno KV backend: a local file, a remote database, or Deno Deploy, on plain atomics. @module */

import {
  type OptionNames,
  requireBoolean,
  requireClock,
  requireNumber,
  requireOptions,
  requireWellFormed,
} from "../src/check.ts";
import { type Clock, systemClock } from "../src/clock.ts";
import { BackendClosedError } from "../src/errors.ts";
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
import { listLimit, messagesLimit, prepareClaim, requireCursor, requireState } from "../src/storage/batch.ts";
import { measureHealth } from "../src/storage/health.ts";
import { encodeKey, type Key } from "../src/storage/key.ts";
import { UnderWay } from "../src/storage/under_way.ts";
import { readChanges } from "./deno_kv/changes.ts";
import { Claimer } from "./deno_kv/claim.ts";
import { Committer } from "./deno_kv/commit.ts";
import { Contents, MAX_VALUE_BYTES } from "./deno_kv/content.ts";
import { type DenoKv, FEWEST_CHECKS } from "./deno_kv/driver.ts";
import { Engine } from "./deno_kv/engine.ts";
import { Feeds } from "./deno_kv/feeds.ts";
import { Layout } from "./deno_kv/layout.ts";
import { Lines } from "./deno_kv/line.ts";
import { openStore } from "./deno_kv/open.ts";
import type { Parts } from "./deno_kv/parts.ts";
import { Queues } from "./deno_kv/queues.ts";
import { Ranks } from "./deno_kv/ranks.ts";
import { Records } from "./deno_kv/records.ts";
import { Settler } from "./deno_kv/settle.ts";
import { Wakes } from "./deno_kv/wakes.ts";

export type { DenoKv, DenoKvAtomic, DenoKvCheck, DenoKvEntry, DenoKvEntryMaybe, DenoKvKey } from "./deno_kv/driver.ts";

/** How to make a {@linkcode DenoKvBackend}. At most one of `path`, `url` and `kv`. */
export interface DenoKvBackendOptions {
  /** The file of a local database, or `:memory:`. Without any of the three, the default database is opened. */
  readonly path?: string;
  /** The address of a remote database; the access token is read from `DENO_KV_ACCESS_TOKEN`. */
  readonly url?: string;
  /** The caller's own client, which `close` leaves open. */
  readonly kv?: DenoKv;
  /** What this backend's keys begin with: namespaces do not see each other. 1 to 64 characters. @default {"ao"} */
  readonly namespace?: string;
  /** The time that decides about leases, delays and expiry. @default {systemClock} */
  readonly clock?: Clock;
  /** How long a call may take, in milliseconds, at most 5 minutes. @default {5000} */
  readonly timeoutMs?: number;
  /** How often a listener looks for what other processes have sent, in milliseconds. @default {100, with `url` 1000} */
  readonly pollMs?: number;
  /** Whether to be told of it besides, which a local file cannot do. @default {true, with `path` false} */
  readonly watch?: boolean;
  /**
   * How many checks and operations a batch may have, as the traits tell: 10 to 100, which is what the engine checks in
   * one atomic operation.
   * @default {100, with `url` or `kv` and on Node 10, as `npm:@deno/kv` and servers of one's own take}
   */
  readonly maxBatchSize?: number;
}

const OPTIONS: OptionNames<DenoKvBackendOptions> = {
  path: true,
  url: true,
  kv: true,
  namespace: true,
  clock: requireClock,
  timeoutMs: true,
  pollMs: true,
  watch: requireBoolean,
  maxBatchSize: true,
};

// Long before what a call has written ahead could be taken for left behind.
const MAX_TIMEOUT_MS = 300_000;

// After so many new queues and parents of tracked records, what is left of those that are empty is looked for.
const ADDED_A_SWEEP = 100;

/**
 * Records and queues in Deno KV. It uses plain atomics alone and never `kv.enqueue`, so that it runs wherever Deno KV
 * does. On Node it takes `npm:@deno/kv`; in Deno it needs `--unstable-kv`. The database is opened by the first call.
 *
 * Batches and claims that are made at the same time go together in one atomic, within the limits of the engine. A batch
 * whose keys and values come to more than one atomic takes (80 KiB and 800 KiB) is refused with a `RangeError`; values
 * that are longer than 64 KiB do not count here, as they are stored in pieces beforehand.
 *
 * `npm:@deno/kv` and servers of one's own take ten checks in one atomic where Deno takes a hundred, and a batch that
 * has more checks, records and messages than that is refused there with a `RangeError`: `traits.maxBatchSize` says what
 * fits.
 *
 * Deno KV has no clock, so the injected one decides, and the clocks of all processes should agree: as far as they
 * differ, delays end early or late, and messages of different processes change places. An early redelivery is harmless,
 * as the older lease is lost by it. The `capacity` of a queue is exact within a process, and across processes up to
 * what others send during one round trip when it is more than 1,000 messages away.
 *
 * @example
 * ```ts
 * import { DenoKvBackend } from "@tta/agent-coordination/deno-kv";
 *
 * await using backend = new DenoKvBackend({ path: ":memory:" });
 * await backend.commit({ operations: [{ type: "set", key: ["greeting"], value: "hello" }] });
 * const [entry] = await backend.get([["greeting"]]);
 * console.log(entry?.value); // hello
 * ```
 */
export class DenoKvBackend implements StorageBackend {
  readonly name: string;
  readonly traits: BackendTraits;
  readonly #layout: Layout;
  readonly #engine: Engine;
  readonly #contents: Contents;
  readonly #committer: Committer;
  readonly #claimer: Claimer;
  readonly #settler: Settler;
  readonly #queues: Queues;
  readonly #feeds: Feeds;
  readonly #records: Records;
  readonly #parts: Parts;
  readonly #wakes: Wakes;
  readonly #clock: Clock;
  readonly #calls = new UnderWay();
  readonly #background = new UnderWay();
  #added = 0;
  #closing: Promise<void> | null = null;

  /**
   * Makes a backend; nothing is opened yet.
   *
   * @throws {TypeError | RangeError} When an option breaks its rule.
   */
  constructor(options: DenoKvBackendOptions = {}) {
    requireOptions("DenoKvBackend", options, OPTIONS);
    const { path, url, kv, namespace = "ao", clock = systemClock, timeoutMs = 5000 } = options;
    const { pollMs = url === undefined ? 100 : 1000, watch = path === undefined } = options;
    const mayBeFew = url !== undefined || kv !== undefined || !("Deno" in globalThis);
    const { maxBatchSize = mayBeFew ? FEWEST_CHECKS : MAX_BATCH_SIZE } = options;
    requireOne({ path, url, kv });
    requireWellFormed("namespace", namespace, 1, 64);
    requireNumber("timeoutMs", timeoutMs, { min: 1, max: MAX_TIMEOUT_MS });
    requireNumber("pollMs", pollMs, { min: 1, max: 600_000 });
    requireNumber("maxBatchSize", maxBatchSize, { min: FEWEST_CHECKS, max: MAX_BATCH_SIZE, integer: true });
    const inMemory = path === ":memory:";
    this.name = `deno-kv:${path ?? (url === undefined ? "default" : withoutCredentials(url))}`;
    this.traits = {
      durable: !inMemory,
      shared: !inMemory,
      pushes: watch && url !== undefined,
      wakeWithinMs: 2 * pollMs,
      clock: "injected",
      timePrecisionMs: 1,
      maxValueBytes: MAX_VALUE_BYTES,
      maxBatchSize,
    };
    this.#clock = clock;
    const layout = this.#layout = new Layout(namespace);
    this.#engine = new Engine({
      open: () => this.#open(kv, path ?? url),
      owned: kv === undefined,
      timeoutMs,
      closedError: () => new BackendClosedError(this.name),
    });
    this.#contents = new Contents(this.#engine, layout);
    this.#wakes = new Wakes(this.#engine, layout, { pollMs, watch });
    const parts: Parts = this.#parts = {
      engine: this.#engine,
      layout,
      contents: this.#contents,
      lines: new Lines(this.#engine, layout),
      ranks: new Ranks(),
      wakes: this.#wakes,
      clock,
      onAdded: (count) => this.#onAdded(count),
    };
    this.#settler = new Settler(parts);
    this.#committer = new Committer(parts);
    this.#claimer = new Claimer(parts, this.#settler);
    this.#queues = new Queues(parts, this.#settler);
    this.#feeds = new Feeds(parts);
    this.#records = new Records(parts);
  }

  get(keys: readonly Key[]): Promise<(Entry | null)[]> {
    return this.#call(() => this.#records.get(keys));
  }

  async *list(prefix: Key, options: ListOptions = {}): AsyncGenerator<Entry> {
    this.#requireOpen();
    yield* this.#records.list(prefix, { ...options, limit: listLimit(options) });
  }

  count(prefix: Key): Promise<number> {
    return this.#call(() => this.#records.count(prefix));
  }

  clear(prefix: Key): Promise<number> {
    return this.#call(() => this.#records.clear(prefix));
  }

  changes(parent: Key, after?: string): Promise<Changes> {
    return this.#call(() => readChanges(this.#parts, this.#records, encodeKey(parent), requireCursor(after)));
  }

  commit(batch: Batch): Promise<CommitResult> {
    return this.#call(() => this.#committer.commit(batch));
  }

  // deno-lint-ignore require-await -- async so that a mistake rejects instead of throwing
  async claim(queue: Key, options: ClaimOptions): Promise<Delivery[]> {
    const claim = prepareClaim(queue, options);
    return this.#call(() => this.#claimer.claim(claim));
  }

  recover(queue?: Key): Promise<number> {
    return this.#call(async () => {
      if (queue !== undefined) return await this.#settler.settle(encodeKey(queue), this.#engine.deadline());
      const recovered = await this.#queues.recover();
      this.#inBackground(() => this.#contents.sweep(this.#clock.now(), this.#engine.deadline()));
      return recovered;
    });
  }

  async *messages(queue: Key, state: MessageState, options: MessageListOptions = {}): AsyncGenerator<StoredMessage> {
    this.#requireOpen();
    yield* this.#queues.messages(encodeKey(queue), requireState(state), messagesLimit(options));
  }

  stats(queue: Key): Promise<QueueStats> {
    return this.#call(() => this.#queues.stats(encodeKey(queue)));
  }

  async *queues(prefix: Key = []): AsyncGenerator<Key> {
    this.#requireOpen();
    yield* this.#queues.names(prefix);
  }

  listen(topic: Key, wake: () => void): Promise<Unlisten> {
    return this.#call(() => this.#wakes.listen(encodeKey(topic), wake));
  }

  ping(): Promise<Health> {
    return measureHealth(() => this.#call(() => this.#engine.read([this.#layout.format], this.#engine.deadline())));
  }

  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  /** The same as {@linkcode close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#calls.drain();
    await this.#wakes.close();
    await this.#background.drain();
    await this.#engine.close();
  }

  /** Runs one call, which `close` waits for. */
  async #call<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#requireOpen();
    return await this.#calls.run(work);
  }

  #requireOpen(): void {
    if (this.#closing) throw new BackendClosedError(this.name);
  }

  async #open(kv: DenoKv | undefined, location: string | undefined): Promise<DenoKv> {
    const opened = await openStore({ name: this.name, layout: this.#layout, kv, location });
    this.#inBackground(() => this.#contents.sweep(this.#clock.now(), this.#engine.deadline()));
    return opened;
  }

  #onAdded(count: number): void {
    this.#added += count;
    if (this.#added < ADDED_A_SWEEP) return;
    this.#added = 0;
    this.#inBackground(() => this.#queues.sweep());
    this.#inBackground(() => this.#feeds.sweep());
  }

  /** Tidies up beside the calls. What fails is done by a later sweep. */
  #inBackground(work: () => Promise<void>): void {
    void this.#background.run(work).catch(() => {});
  }
}

function requireOne(locations: { path: unknown; url: unknown; kv: unknown }): void {
  const given = Object.entries(locations).filter(([, value]) => value !== undefined).map(([name]) => name);
  if (given.length > 1) throw new TypeError(`Cannot use ${given.join(" and ")} together: give one of them`);
}

function withoutCredentials(url: string): string {
  if (!URL.canParse(url)) throw new TypeError("Cannot use url: it must be a URL");
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
