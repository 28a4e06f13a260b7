/** What a fallback has that its primary lacks: marks in the fallback, written together with what they mark. @module */

import type { Clock } from "../../src/clock.ts";
import { JournalFullError } from "../../src/errors.ts";
import type {
  Batch,
  ClaimOptions,
  CommitResult,
  Delivery,
  Entry,
  ListOptions,
  Operation,
  OperationResult,
  StorageBackend,
  StoredMessage,
} from "../../src/storage/backend.ts";
import { prepareBatch } from "../../src/storage/batch.ts";
import { encodeKey, type Key } from "../../src/storage/key.ts";
import { valueEncoder } from "../../src/storage/value_text.ts";
import { type AbandonedWrites, empty } from "./abandon.ts";
import type { CheckedBatch } from "./fallback_marks.ts";
import {
  announced,
  BEHIND_RESERVED,
  type Mark,
  type MarkKind,
  markName,
  nameOf,
  RESERVED,
  toOperation,
  withoutMarks,
} from "./journal_marks.ts";
import { MarkBook } from "./mark_book.ts";
import { holdBack, messagesIn } from "./moving.ts";
import { clean, replay, type ReplayParts } from "./replay.ts";

/** Writes to a fallback so that it can be brought to the primary, and does that: as durable as the fallback is. */
export class Journal {
  readonly #primary: StorageBackend;
  readonly #fallback: StorageBackend;
  readonly #book: MarkBook;
  readonly #maxEntries: number;
  readonly #clock: Clock;
  #messages = 0;
  /** Whether some of what was brought to the primary is there still, and that may have newer ones by now. */
  #isOutdated = false;
  #cleaning: Promise<void> | null = null;
  /** Whether all that is there was given up. */
  #isAbandoned = false;
  /** What was marked in the fallback, and is not there any more. */
  readonly #lost = new Set<string>();
  /** Those that may have arrived at the primary, and are not held yet. */
  readonly #inDoubt = new Set<string>();

  /** What an earlier process left is read by `load`. */
  constructor(primary: StorageBackend, fallback: StorageBackend, maxEntries: number, clock: Clock) {
    this.#primary = primary;
    this.#fallback = fallback;
    this.#book = new MarkBook(fallback);
    this.#maxEntries = maxEntries;
    this.#clock = clock;
  }

  /** How many records, prefixes and messages wait. */
  get size(): number {
    return this.#book.size + this.#messages;
  }

  /** Whether the primary lacks nothing, and the fallback holds nothing that was given up. */
  get isDone(): boolean {
    return this.size === 0 && !this.#isAbandoned;
  }

  /** Reads what an earlier process left, before anything else. */
  async load(): Promise<void> {
    await this.#book.load();
    this.outdate(); // nobody knows whether the primary served since it was brought
    await this.#countMessages();
  }

  /**
   * Brings to the primary what waits, messages that are not due yet only where no calls go to the fallback meanwhile
   * (`isAlone`). Tells whether there are records or prefixes again, which came meanwhile.
   */
  async replay(isAlone: boolean, signal: AbortSignal): Promise<boolean> {
    await replay(this.#parts, isAlone, signal);
    await this.#book.inTurn(() => this.#countMessages());
    return this.#book.of("record", "announced", "cleared").length > 0;
  }

  /** Removes from the fallback, which does not serve any more, the records that were brought to the primary. */
  clean(signal?: AbortSignal): Promise<void> {
    return this.#cleaning ??= clean(this.#parts, signal).then(() => {
      this.#isOutdated &&= this.#hasBrought;
    }).finally(() => this.#cleaning = null);
  }

  /** The primary begins to serve, or ends to: it may have newer ones of what was brought to it. */
  outdate(): void {
    this.#isOutdated ||= this.#hasBrought;
  }

  /** Takes away what must not be found in the fallback any more. To be called before the fallback is used. */
  async prepare(): Promise<void> {
    if (this.#isAbandoned) await this.#book.inTurn(() => this.#empty());
    if (this.#isOutdated) await this.clean();
  }

  /** How many records, prefixes and queues the fallback has lost, since this was asked last. */
  takeLost(): number {
    const { size } = this.#lost;
    this.#lost.clear();
    return size;
  }

  /** Forgets what waits, and tells what it was. Whatever is there goes before the fallback is used. */
  abandon(): Omit<AbandonedWrites, "complete" | "emptied"> {
    const targets = (...kinds: readonly MarkKind[]) => this.#book.of(...kinds).map(({ target }) => target);
    const [records, cleared, queues] = [targets("record", "announced"), targets("cleared"), targets("queue")];
    const messages = this.#messages;
    this.#book.forget();
    this.#inDoubt.clear();
    this.#messages = 0;
    this.#isAbandoned = true;
    return { records, cleared, queues, messages };
  }

  /** Commits to the fallback, marking in the same step what the primary will have to be told. */
  commit(batch: CheckedBatch): Promise<CommitResult> {
    return this.#book.inTurn(() => this.#commit(batch));
  }

  /** Keeps to itself from now on the messages that are sent here: they may have arrived at the primary. */
  doubt(operations: readonly Operation[]): void {
    for (const operation of operations) if (operation.type === "enqueue") this.#inDoubt.add(placeOf(operation));
  }

  /** Leases messages from the fallback, but none that may have arrived at the primary. */
  async claim(queue: Key, options: ClaimOptions): Promise<Delivery[]> {
    const deliveries = await this.#fallback.claim(queue, options);
    if (this.#inDoubt.size === 0) return deliveries;
    const inDoubt = deliveries.filter((delivery) => this.#inDoubt.has(placeOf(delivery)));
    await holdBack(this.#fallback, inDoubt);
    return deliveries.filter((delivery) => !inDoubt.includes(delivery));
  }

  /** The fallback's records below a prefix, without the marks. */
  visible(prefix: Key, options: ListOptions): AsyncIterable<Entry> {
    if (prefix.length > 0 || options.reverse) return withoutMarks(this.#fallback.list(prefix, options));
    return this.#fallback.list(prefix, { ...options, after: options.after ?? BEHIND_RESERVED });
  }

  /** How many records the fallback has below a prefix, without the marks. */
  async count(prefix: Key): Promise<number> {
    const all = await this.#fallback.count(prefix);
    return prefix.length > 0 ? all : all - await this.#fallback.count([RESERVED]);
  }

  /** Deletes the fallback's records below a prefix, and marks that the primary's are to go too. */
  clear(prefix: Key): Promise<number> {
    return this.#book.inTurn(() => this.#clear(prefix));
  }

  get #hasBrought(): boolean {
    return this.#book.of("brought").length > 0;
  }

  get #parts(): ReplayParts {
    return {
      primary: this.#primary,
      fallback: this.#fallback,
      book: this.#book,
      clock: this.#clock,
      onDoubt: (message) => void this.#inDoubt.add(placeOf(message)),
      onLoss: (mark) => void this.#lost.add(nameOf(mark)),
    };
  }

  async #commit(batch: CheckedBatch): Promise<CommitResult> {
    this.#requireSmall(batch.operations);
    const fresh = this.#newMarks(batch.operations);
    const messages = batch.operations.filter((operation) => operation.type === "enqueue").length;
    this.#requireRoom(fresh.length + messages);
    const size = batch.operations.length + batch.checks.length + fresh.length;
    if (size > this.#fallback.traits.maxBatchSize) return this.#settle(await this.#commitLarge(batch, fresh), batch);
    const operations = [...batch.operations, ...fresh.map(toOperation)];
    const result = await this.#book.commit({ ...batch, operations }, fresh);
    if (!result.committed) return result;
    return this.#settle({ ...result, results: result.results.slice(0, batch.operations.length) }, batch);
  }

  /**
   * Commits what has no room for its marks. Those of records that are written come before it, as announced: whether the
   * record is there tells what became of it. A deletion would leave no trace of itself. But where the fallback has no
   * such record there is nothing to delete, and the mark takes its place in the batch; and one that is there was
   * written once, so that its mark may say so beforehand.
   */
  async #commitLarge(batch: CheckedBatch, fresh: readonly Mark[]): Promise<CommitResult> {
    prepareBatch(batch, (value) => value); // nothing is announced of what is refused as a mistake
    const entries = await this.#fallback.get(fresh.map(({ target }) => target));
    const absent = new Map(fresh.filter((_, index) => !entries[index]).map((mark) => [nameOf(mark), mark]));
    const instead = new Map<Operation, Mark>();
    for (const operation of batch.operations) {
      const mark = operation.type === "delete" && absent.get(markName("record", operation.key));
      if (mark) instead.set(operation, mark);
    }
    const within = [...instead.values()];
    const before = fresh.filter((mark) => !within.includes(mark));
    await this.#book.write(before.map((mark) => absent.has(nameOf(mark)) ? announced(mark) : mark));
    const operations = batch.operations.map((operation) => {
      const mark = instead.get(operation);
      return mark ? toOperation(mark) : operation;
    });
    const result = await this.#book.commit({ ...batch, operations }, within);
    if (!result.committed) return result;
    await this.#book.write(before).catch(() => {}); // the batch has happened, and what it wrote is there to tell
    const results = batch.operations.map((operation, index): OperationResult | undefined =>
      instead.has(operation) ? { type: "delete", existed: false } : result.results[index]
    );
    return { ...result, results: results.filter((done) => done !== undefined) };
  }

  async #clear(prefix: Key): Promise<number> {
    const mark = this.#book.missing("cleared", prefix);
    if (mark) {
      this.#requireRoom(1);
      await this.#book.write([mark]);
    }
    if (prefix.length > 0) return await this.#fallback.clear(prefix);
    let cleared = 0;
    for await (const { key } of this.visible(prefix, {})) {
      await this.#fallback.commit({ operations: [{ type: "delete", key }] });
      cleared++;
    }
    return cleared;
  }

  /** The marks that a batch needs and that are not there yet. */
  #newMarks(operations: readonly Operation[]): Mark[] {
    const fresh = new Map<string, Mark>();
    for (const operation of operations) {
      const mark = "queue" in operation
        ? this.#book.missing("queue", operation.queue)
        : this.#book.missing("record", operation.key);
      if (mark) fresh.set(nameOf(mark), mark);
    }
    return [...fresh.values()];
  }

  /** What the primary can never take must not wait for it. */
  #requireSmall(operations: readonly Operation[]): void {
    const { maxValueBytes } = this.#primary.traits;
    if (maxValueBytes >= this.#fallback.traits.maxValueBytes) return;
    const encode = valueEncoder(maxValueBytes);
    for (const operation of operations) if ("value" in operation) encode(operation.value);
  }

  #requireRoom(entries: number): void {
    if (this.size + entries > this.#maxEntries) throw new JournalFullError(this.#maxEntries);
  }

  #settle(result: CommitResult, { operations }: Batch): CommitResult {
    if (!result.committed) return result;
    for (const [index, operation] of operations.entries()) {
      const done = result.results[index];
      if (done?.type === "enqueue" && !done.duplicate) this.#messages++;
      else if (operation.type === "ack" || (done?.type === "purge" && done.found)) this.#messages--;
    }
    return result;
  }

  async #empty(): Promise<void> {
    if (!this.#isAbandoned) return;
    await empty(this.#fallback);
    this.#isAbandoned = false;
  }

  async #countMessages(): Promise<void> {
    let messages = 0;
    for (const { target } of this.#book.of("queue")) messages += await messagesIn(this.#fallback, target);
    this.#messages = messages;
    if (messages === 0) this.#inDoubt.clear();
  }
}

/** Names a message. An encoded key has no NUL, so that the first one says where the id begins, whatever is in that. */
function placeOf({ queue, id }: Pick<StoredMessage, "queue" | "id">): string {
  return `${encodeKey(queue)}\0${id}`;
}
