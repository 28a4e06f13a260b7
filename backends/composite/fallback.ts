/** A backend with a fallback: each call goes to whoever serves, in its own terms. @module */

import { requireBackend, requireOptions } from "../../src/check.ts";
import type { Clock } from "../../src/clock.ts";
import { BackendUnavailableError, isOutage, OutcomeUnknownError } from "../../src/errors.ts";
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
import { listLimit, requireCursor } from "../../src/storage/batch.ts";
import { collect } from "../../src/storage/es2024.ts";
import { copyJson } from "../../src/storage/json.ts";
import type { Key } from "../../src/storage/key.ts";
import type { AbandonedWrites } from "./abandon.ts";
import { combineTraits } from "./traits.ts";
import { cursorFor, FallbackMarks, withCursorOf } from "./fallback_marks.ts";
import { Journal } from "./journal.ts";
import { heldBack } from "./moving.ts";
import { FALLBACK_OPTIONS, type FallbackOptions } from "./options.ts";
import { type FallbackChange, Switch } from "./switch.ts";

/** One primary and its fallback, as a backend. */
export class FallbackBackend implements StorageBackend {
  readonly name: string;
  readonly traits: BackendTraits;
  readonly #primary: StorageBackend;
  readonly #fallback: StorageBackend;
  readonly #queuesToo: boolean;
  readonly #journal: Journal;
  readonly #switch: Switch;
  readonly #marks = new FallbackMarks();

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
    this.#journal = new Journal(primary, fallback, maxJournal, clock);
    const parts = { name: this.name, primary, fallback, journal: this.#journal };
    this.#switch = new Switch({ ...parts, clock, probeIntervalMs, onChange });
  }

  /** Who serves, since when, why, and how much waits. */
  get status(): FallbackChange {
    return this.#switch.status;
  }

  /** The name of the fallback. */
  get fallbackName(): string {
    return this.#fallback.name;
  }

  /** Gives up what the fallback holds and the primary lacks. */
  abandon(): Promise<AbandonedWrites> {
    return this.#switch.abandon();
  }

  get(keys: readonly Key[]): Promise<(Entry | null)[]> {
    return this.#read(
      () => this.#primary.get(keys),
      async () => (await this.#fallback.get(keys)).map((entry) => entry && this.#marks.entry(entry)),
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
        async () => (await collect(this.#journal.visible(prefix, page))).map((entry) => this.#marks.entry(entry)),
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

  /**
   * A cursor of one backend means nothing to the other: whoever reads begins from the start after each change of
   * serving.
   */
  async changes(parent: Key, after?: string): Promise<Changes> {
    const cursor = requireCursor(after) ?? "";
    return await this.#read(
      async () => withCursorOf("primary", await this.#primary.changes(parent, cursorFor("primary", cursor))),
      async () => {
        const changes = await this.#fallback.changes(parent, cursorFor("fallback", cursor));
        return withCursorOf("fallback", {
          ...changes,
          entries: changes.entries.map((entry) => this.#marks.entry(entry)),
        });
      },
    );
  }

  async commit(given: Batch): Promise<CommitResult> {
    // A caller may change what it gave as soon as the call is made; mostly it is handed on before that.
    const batch = this.#switch.isReady() ? given : copyBatch(given);
    const isOfFallback = batch.operations.some((operation) => this.#marks.isMarked(operation));
    const result = await this.#switch.run(() =>
      isOfFallback ? this.#commitToFallback(batch) : this.#commitToServing(batch)
    );
    // A message that was delivered by the fallback may be settled when the primary is back already.
    if (isOfFallback && this.#switch.isPrimary) await this.#switch.follow();
    return result;
  }

  async claim(queue: Key, options: ClaimOptions): Promise<Delivery[]> {
    return await this.#readQueue(
      () => this.#primary.claim(queue, options),
      async () => (await this.#journal.claim(queue, options)).map((delivery) => this.#marks.delivery(delivery)),
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
    this.#switch.requireOpen();
    const endFallback = await this.#listenTo(this.#fallback, topic, wake);
    try {
      const endPrimary = await this.#listenTo(this.#primary, topic, wake);
      return async () => void await Promise.all([endFallback(), endPrimary()]);
    } catch (error) {
      await endFallback();
      throw error;
    }
  }

  async ping(): Promise<Health> {
    return this.#switch.isPrimary ? await this.#primary.ping() : await this.#fallback.ping();
  }

  async close(): Promise<void> {
    await this.#switch.close();
    await Promise.all([this.#primary.close(), this.#fallback.close()]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #commitToServing(batch: Batch): Promise<CommitResult> {
    if (this.#switch.isPrimary) {
      try {
        return await this.#primary.commit(batch);
      } catch (error) {
        if (!isOutage(error)) throw error;
        if (error instanceof OutcomeUnknownError) return await this.#commitAgain(batch, error);
        this.#switch.leavePrimary(error);
      }
    }
    if (hasLease(batch)) throw this.#unavailable("settle a message that the primary backend delivered");
    return await this.#commitToFallback(batch);
  }

  /** What may have happened already is done again only where that changes nothing. */
  async #commitAgain(batch: Batch, error: OutcomeUnknownError): Promise<CommitResult> {
    if (hasLease(batch) || (batch.checks ?? []).length > 0) throw error;
    this.#switch.leavePrimary(error);
    // The primary may serve what was sent already: the fallback keeps it, and does not serve it too.
    const again = { ...batch, operations: batch.operations.map(heldBack) };
    const result = await this.#commitToFallback(again).catch(() => null);
    if (result?.committed) return result;
    this.#journal.doubt(batch.operations); // the caller may send it again
    throw error; // that the fallback has refused it says nothing about the primary
  }

  async #commitToFallback(batch: Batch): Promise<CommitResult> {
    if (!this.#queuesToo && batch.operations.some((operation) => "queue" in operation)) {
      throw this.#unavailable("use a queue");
    }
    await this.#journal.prepare();
    return await this.#journal.commit(this.#marks.unmark(batch));
  }

  async #read<T>(fromPrimary: () => Promise<T>, fromFallback: () => Promise<T>): Promise<T> {
    return await this.#switch.run(async () => {
      if (this.#switch.isPrimary) {
        try {
          return await fromPrimary();
        } catch (error) {
          if (!isOutage(error)) throw error;
          this.#switch.leavePrimary(error);
        }
      }
      await this.#journal.prepare();
      return await fromFallback();
    });
  }

  async #readQueue<T>(fromPrimary: () => Promise<T>, fromFallback: () => Promise<T>): Promise<T> {
    return await this.#read(fromPrimary, () => {
      if (!this.#queuesToo) throw this.#unavailable("use a queue");
      return fromFallback();
    });
  }

  #unavailable(action: string): BackendUnavailableError {
    return new BackendUnavailableError(
      `Cannot ${action}: the backend "${this.#primary.name}" is away (${this.status.reason})`,
    );
  }

  async #listenTo(backend: StorageBackend, topic: Key, wake: () => void): Promise<Unlisten> {
    const isPrimary = backend === this.#primary;
    if (!isPrimary || this.#switch.isPrimary) {
      try {
        return await backend.listen(topic, wake);
      } catch (error) {
        if (!isOutage(error)) throw error;
        if (isPrimary) this.#switch.leavePrimary(error);
      }
    }
    return this.#switch.listenLater(backend, topic, wake);
  }
}

function copyBatch(batch: Batch): Batch {
  const operations = batch.operations.map((operation): Operation =>
    "value" in operation ? { ...operation, value: copyJson(operation.value) } : { ...operation }
  );
  return { ...batch, operations };
}

/** Whether a batch settles a delivery. */
function hasLease({ operations }: Batch): boolean {
  return operations.some((operation) => "token" in operation);
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
