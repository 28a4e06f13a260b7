/** A backend with a fallback: serves from the fallback while the primary is away, and synchronises when it is back. @module */

import { requireBackend, requireOptions } from "../../src/check.ts";
import { type Clock, sleep } from "../../src/clock.ts";
import { BackendClosedError, BackendUnavailableError, OutcomeUnknownError } from "../../src/errors.ts";
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
  Operation,
  QueueStats,
  StorageBackend,
  StoredMessage,
  Unlisten,
} from "../../src/storage/backend.ts";
import { listLimit } from "../../src/storage/batch.ts";
import { copyJson } from "../../src/storage/json.ts";
import type { Key } from "../../src/storage/key.ts";
import { combineTraits } from "./traits.ts";
import {
  cursorFor,
  fromFallback,
  isFallbackToken,
  toFallback,
  withCursorOf,
  withFallbackVersion,
} from "./fallback_marks.ts";
import { Journal } from "./journal.ts";
import { listenLater } from "./listen_later.ts";
import { FALLBACK_OPTIONS, type FallbackOptions } from "./options.ts";
import { collect, deferred } from "../../src/storage/es2024.ts";

/** Who serves at the moment. */
export type Serving = "primary" | "fallback" | "synchronising";

/** Told at each change of who serves. */
export interface FallbackChange {
  readonly serving: Serving;
  /** Since when, in milliseconds since the Unix epoch. */
  readonly sinceMs: number;
  /** Why. */
  readonly reason: string;
  /** How many writes wait to be synchronised. */
  readonly journalled: number;
}

// While so few writes wait, new calls wait with them for the switch back: it takes one short moment.
const FEW = 50;

/** One primary and its fallback, as a backend. */
export class FallbackBackend implements StorageBackend {
  readonly name: string;
  readonly traits: BackendTraits;
  readonly #primary: StorageBackend;
  readonly #fallback: StorageBackend;
  readonly #queuesToo: boolean;
  readonly #probeIntervalMs: number;
  readonly #clock: Clock;
  readonly #onChange: (change: FallbackChange) => void;
  readonly #journal: Journal;
  readonly #ending = new AbortController();
  readonly #underway = new Set<Promise<unknown>>();
  #serving: Serving = "primary";
  #sinceMs: number;
  #reason = "it has always been there";
  #returning: Promise<void> | null = null;
  /** Set while the last writes are synchronised; calls wait for it. */
  #gate: Promise<void> | null = null;

  /** What waited in a durable fallback when the process ended is synchronised at the first call. */
  constructor(
    primary: StorageBackend,
    options: FallbackOptions,
    clock: Clock,
    onChange: (change: FallbackChange) => void,
  ) {
    requireOptions("a fallback", options, FALLBACK_OPTIONS);
    requireBackend("fallback", options.fallback);
    const { fallback, queues = false, maxJournal = 10_000, probeIntervalMs = 1000 } = options;
    this.name = `${primary.name} with fallback ${fallback.name}`;
    this.traits = combineTraits([primary, fallback]);
    this.#primary = primary;
    this.#fallback = fallback;
    this.#queuesToo = queues;
    this.#probeIntervalMs = probeIntervalMs;
    this.#clock = clock;
    this.#onChange = onChange;
    this.#journal = new Journal(primary, fallback, maxJournal, clock);
    this.#sinceMs = clock.now();
  }

  /** Who serves, since when, why, and how much waits. */
  get status(): FallbackChange {
    const { size: journalled } = this.#journal;
    return { serving: this.#serving, sinceMs: this.#sinceMs, reason: this.#reason, journalled };
  }

  get(keys: readonly Key[]): Promise<(Entry | null)[]> {
    return this.#read(
      () => this.#primary.get(keys),
      async () => (await this.#fallback.get(keys)).map((entry) => entry && withFallbackVersion(entry)),
    );
  }

  async *list(prefix: Key, options: ListOptions = {}): AsyncGenerator<Entry> {
    let yielded: Entry | undefined;
    let left = listLimit(options);
    // A listing that breaks off goes on behind its last entry, with whoever serves then.
    while (true) {
      const page = { ...options, limit: Math.min(left, 1000), ...(yielded && { after: yielded.key }) };
      const entries = await this.#read(
        () => collect(this.#primary.list(prefix, page)),
        async () => (await collect(this.#journal.visible(prefix, page))).map(withFallbackVersion),
      );
      yield* entries;
      left -= entries.length;
      yielded = entries.at(-1);
      if (entries.length < page.limit || left <= 0) return;
    }
  }

  count(prefix: Key): Promise<number> {
    return this.#read(() => this.#primary.count(prefix), () => this.#journal.count(prefix));
  }

  clear(prefix: Key): Promise<number> {
    return this.#read(() => this.#primary.clear(prefix), () => this.#journal.clear(prefix));
  }

  /** A cursor of one backend means nothing to the other: whoever reads begins from the start after each change of serving. */
  changes(parent: Key, after = ""): Promise<Changes> {
    return this.#read(
      async () => withCursorOf("primary", await this.#primary.changes(parent, cursorFor("primary", after))),
      async () => {
        const changes = await this.#fallback.changes(parent, cursorFor("fallback", after));
        return withCursorOf("fallback", { ...changes, entries: changes.entries.map(withFallbackVersion) });
      },
    );
  }

  async commit(given: Batch): Promise<CommitResult> {
    // A caller may change what it gave as soon as the call is made; mostly it is handed on before that.
    const batch = this.#isReady() ? given : copyBatch(given);
    if (!this.#isReady()) await this.#begin();
    const hasLease = batch.operations.some((operation) => "token" in operation);
    if (batch.operations.some((operation) => "token" in operation && isFallbackToken(operation.token))) {
      return await this.#commitToFallback(batch);
    }
    if (this.#serving === "primary") {
      try {
        return await this.#track(this.#primary.commit(batch));
      } catch (error) {
        // What may have happened already may be done again only where that changes nothing.
        const isRepeatable = !hasLease && (batch.checks ?? []).length === 0;
        if (!isAway(error) || (error instanceof OutcomeUnknownError && !isRepeatable)) throw error;
        this.#leavePrimary(error);
      }
    }
    if (hasLease) throw this.#unavailable("settle a message that the primary backend delivered");
    return await this.#commitToFallback(batch);
  }

  async claim(queue: Key, options: ClaimOptions): Promise<Delivery[]> {
    return await this.#readQueue(
      () => this.#primary.claim(queue, options),
      async () => (await this.#fallback.claim(queue, options)).map(fromFallback),
    );
  }

  recover(queue?: Key): Promise<number> {
    return this.#readQueue(() => this.#primary.recover(queue), () => this.#fallback.recover(queue));
  }

  async *messages(queue: Key, state: MessageState, options?: MessageListOptions): AsyncGenerator<StoredMessage> {
    yield* await this.#readQueue(
      () => begun(this.#primary.messages(queue, state, options)),
      () => begun(this.#fallback.messages(queue, state, options)),
    );
  }

  stats(queue: Key): Promise<QueueStats> {
    return this.#readQueue(() => this.#primary.stats(queue), () => this.#fallback.stats(queue));
  }

  async *queues(prefix?: Key): AsyncGenerator<Key> {
    yield* await this.#readQueue(
      () => collect(this.#primary.queues(prefix)),
      () => collect(this.#fallback.queues(prefix)),
    );
  }

  /** Listens to both: a hint too many costs a look, one too few a message. */
  async listen(topic: Key, wake: () => void): Promise<Unlisten> {
    this.#requireOpen();
    const endFallback = await this.#fallback.listen(topic, wake);
    try {
      const endPrimary = await this.#listenToPrimary(topic, wake);
      return async () => void await Promise.all([endFallback(), endPrimary()]);
    } catch (error) {
      await endFallback();
      throw error;
    }
  }

  async ping(): Promise<Health> {
    return this.#serving === "primary" ? await this.#primary.ping() : await this.#fallback.ping();
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await this.#returning;
    await Promise.allSettled(this.#underway);
    await Promise.all([this.#primary.close(), this.#fallback.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #commitToFallback(batch: Batch): Promise<CommitResult> {
    if (!this.#queuesToo && batch.operations.some((operation) => "queue" in operation)) {
      throw this.#unavailable("use a queue");
    }
    const result = await this.#track(this.#journal.commit(toFallback(batch)));
    // A message that was delivered by the fallback may be settled when the primary is back already.
    if (this.#serving === "primary") await this.#follow();
    return result;
  }

  async #read<T>(fromPrimary: () => Promise<T>, fromFallback: () => Promise<T>): Promise<T> {
    if (!this.#isReady()) await this.#begin();
    if (this.#serving === "primary") {
      try {
        return await this.#track(fromPrimary());
      } catch (error) {
        if (!isAway(error)) throw error;
        this.#leavePrimary(error);
      }
    }
    return await this.#track(fromFallback());
  }

  async #readQueue<T>(fromPrimary: () => Promise<T>, fromFallback: () => Promise<T>): Promise<T> {
    return await this.#read(fromPrimary, () => {
      if (!this.#queuesToo) throw this.#unavailable("use a queue");
      return fromFallback();
    });
  }

  /** Whether calls may go out at once. */
  #isReady(): boolean {
    this.#requireOpen();
    return this.#journal.isLoaded && this.#gate === null;
  }

  /** Waits for what an earlier process left, and for the moment of switching back. */
  async #begin(): Promise<void> {
    if (!this.#journal.isLoaded && await this.#track(this.#journal.load()) > 0) {
      this.#change("fallback", "writes of an earlier process wait to be synchronised");
      this.#return();
    }
    while (this.#gate) await this.#gate;
    this.#requireOpen();
  }

  #requireOpen(): void {
    if (this.#ending.signal.aborted) throw new BackendClosedError(this.name);
  }

  /** Calls under way are waited for by the switch back and by `close`. */
  #track<T>(call: Promise<T>): Promise<T> {
    this.#underway.add(call);
    const done = () => void this.#underway.delete(call);
    call.then(done, done);
    return call;
  }

  #unavailable(action: string): BackendUnavailableError {
    return new BackendUnavailableError(
      `Cannot ${action}: the backend "${this.#primary.name}" is away (${this.#reason})`,
    );
  }

  #change(serving: Serving, reason: string): void {
    this.#serving = serving;
    this.#sinceMs = this.#clock.now();
    this.#reason = reason;
    this.#onChange(this.status);
  }

  #leavePrimary(error: Error): void {
    if (this.#serving === "primary") this.#change("fallback", error.message);
    this.#return();
  }

  /** Waits for the primary in the background, synchronises, and switches back. */
  #return(): void {
    this.#returning ??= this.#probe().finally(() => {
      this.#returning = null;
      // The primary may have gone away, or a write have come to the fallback, since the probe looked last.
      if (!this.#ending.signal.aborted && (this.#serving !== "primary" || this.#journal.size > 0)) this.#return();
    });
  }

  async #probe(): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      try {
        const health = await unlessAborted(this.#primary.ping(), signal);
        if (health?.healthy) await this.#synchronise();
        if (this.#serving === "primary" && this.#journal.size === 0) return;
      } catch (error) {
        if (signal.aborted) return;
        this.#change("fallback", `the synchronisation broke off: ${error instanceof Error ? error.message : error}`);
      }
      await sleep(this.#clock, this.#probeIntervalMs, signal).catch(() => {});
    }
  }

  /** Replays the journal and switches back. Messages that are leased from the fallback follow when they are settled. */
  async #synchronise(): Promise<void> {
    const { signal } = this.#ending;
    if (this.#serving === "primary") return await this.#atTheGate(() => this.#journal.replay(signal));
    if (this.#serving === "fallback") this.#change("synchronising", "the primary backend answers again");
    if (this.#journal.size > FEW) await this.#journal.replay(signal);
    await this.#atTheGate(async () => {
      await Promise.allSettled(this.#underway);
      await this.#journal.replay(signal);
      this.#change("primary", "everything is synchronised");
    });
  }

  /** Brings over what was just written to the fallback, though the primary serves, before anybody looks for it there. */
  async #follow(): Promise<void> {
    try {
      await this.#atTheGate(() => this.#journal.replay(this.#ending.signal));
    } catch {
      // It is in the journal: the probe goes on with it.
    }
    this.#return();
  }

  /** Does some work while calls wait. */
  async #atTheGate(work: () => Promise<void>): Promise<void> {
    while (this.#gate) await this.#gate;
    const gate = deferred<void>();
    this.#gate = gate.promise;
    try {
      await work();
    } finally {
      this.#gate = null;
      gate.resolve();
    }
  }

  async #listenToPrimary(topic: Key, wake: () => void): Promise<Unlisten> {
    if (this.#serving === "primary") {
      try {
        return await this.#primary.listen(topic, wake);
      } catch (error) {
        if (!isAway(error)) throw error;
        this.#leavePrimary(error);
      }
    }
    return listenLater(this.#primary, topic, wake, {
      isBack: () => this.#serving === "primary",
      clock: this.#clock,
      intervalMs: this.#probeIntervalMs,
      signal: this.#ending.signal,
    });
  }
}

function copyBatch(batch: Batch): Batch {
  const operations = batch.operations.map((operation): Operation =>
    "value" in operation ? { ...operation, value: copyJson(operation.value) } : { ...operation }
  );
  return { ...batch, operations };
}

function isAway(error: unknown): error is Error {
  return error instanceof BackendUnavailableError || error instanceof OutcomeUnknownError;
}

/** What a promise comes to; `null` as soon as the signal is aborted. */
async function unlessAborted<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result | null> {
  const aborted = deferred<null>();
  const onAbort = () => aborted.resolve(null);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** An iterable whose first item was fetched already, so that an outage shows before anything was given out. */
async function begun<T>(items: AsyncIterable<T>): Promise<AsyncGenerator<T>> {
  const iterator = items[Symbol.asyncIterator]();
  const first = await iterator.next();
  return (async function* () {
    try {
      for (let item = first; !item.done; item = await iterator.next()) yield item.value;
    } finally {
      await iterator.return?.();
    }
  })();
}
