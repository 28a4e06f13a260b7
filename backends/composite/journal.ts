/** What a fallback has that its primary lacks: marks in the fallback itself, written together with what they mark. @module */

import type { Clock } from "../../src/clock.ts";
import { JournalFullError, OutcomeUnknownError, ValueTooLargeError } from "../../src/errors.ts";
import type {
  Batch,
  Check,
  CommitResult,
  Entry,
  ListOptions,
  Operation,
  OperationResult,
  SetOperation,
  StorageBackend,
} from "../../src/storage/backend.ts";
import { prepareBatch } from "../../src/storage/batch.ts";
import { encodeJson } from "../../src/storage/json.ts";
import { type Key, utf8Length } from "../../src/storage/key.ts";
import type { CheckedBatch } from "./fallback_marks.ts";
import {
  announced,
  BEHIND_RESERVED,
  type Mark,
  type MarkKind,
  markName,
  nameOf,
  newMark,
  numberOf,
  readMark,
  RESERVED,
  toOperation,
  withoutMarks,
} from "./journal_marks.ts";
import { moveMessages, SEND_BATCH } from "./moving.ts";

/** A record, as the fallback has it, and the mark that stands there for it: what happened, that tells. */
interface MarkedRecord {
  readonly mark: Mark;
  readonly entry: Entry | null;
  readonly stored: Entry | null;
}

// So many batches of records are on their way to the primary at once.
const BATCHES = 10;

/**
 * The marks, in memory as they are stored: as durable as the fallback is. Whatever sets marks or takes them away has its
 * turn: whether a write needs a mark is known only once those before it are done.
 */
export class Journal {
  readonly #primary: StorageBackend;
  readonly #fallback: StorageBackend;
  readonly #maxEntries: number;
  readonly #clock: Clock;
  readonly #marks = new Map<string, Mark>();
  /** Those of which nobody knows whether they stand in the fallback: an answer was lost. They are written again at need. */
  readonly #unsure = new Set<string>();
  #messages = 0;
  #sequence = 0;
  #turn: Promise<unknown> = Promise.resolve();

  /** What an earlier process left is read by `load`. */
  constructor(primary: StorageBackend, fallback: StorageBackend, maxEntries: number, clock: Clock) {
    this.#primary = primary;
    this.#fallback = fallback;
    this.#maxEntries = maxEntries;
    this.#clock = clock;
  }

  /** How many records, prefixes and messages wait. */
  get size(): number {
    return this.#marks.size + this.#messages;
  }

  /** Reads what an earlier process left, before anything else. */
  async load(): Promise<void> {
    for await (const entry of this.#fallback.list([RESERVED])) {
      const mark = readMark(entry);
      if (mark === null) continue;
      this.#remember(mark);
      this.#sequence = Math.max(this.#sequence, numberOf(mark));
    }
    await this.#countMessages();
  }

  /** Commits to the fallback, marking in the same step what the primary will have to be told. */
  commit(batch: CheckedBatch): Promise<CommitResult> {
    return this.#inTurn(() => this.#commit(batch));
  }

  async #commit(batch: CheckedBatch): Promise<CommitResult> {
    this.#requireSmall(batch.operations);
    const fresh = this.#newMarks(batch.operations);
    const messages = batch.operations.filter((operation) => operation.type === "enqueue").length;
    this.#requireRoom(fresh.length + messages);
    const size = batch.operations.length + batch.checks.length + fresh.length;
    if (size > this.#fallback.traits.maxBatchSize) return this.#settle(await this.#commitLarge(batch, fresh), batch);
    const operations = [...batch.operations, ...fresh.map(toOperation)];
    const result = await this.#commitMarked({ ...batch, operations }, fresh);
    if (!result.committed) return result;
    return this.#settle({ ...result, results: result.results.slice(0, batch.operations.length) }, batch);
  }

  /**
   * Commits what has no room for its marks. Those of records that are written come before it, as announced: whether the
   * record is there tells what became of it. A deletion would leave no trace of itself. But where the fallback has no such
   * record there is nothing to delete, and the mark takes its place in the batch; and one that is there was written once,
   * so that its mark may say so beforehand.
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
    await this.#mark(before.map((mark) => absent.has(nameOf(mark)) ? announced(mark) : mark));
    const operations = batch.operations.map((operation) => {
      const mark = instead.get(operation);
      return mark ? toOperation(mark) : operation;
    });
    const result = await this.#commitMarked({ ...batch, operations }, within);
    if (!result.committed) return result;
    await this.#mark(before).catch(() => {}); // the batch has happened, and what it wrote is there to tell
    const results = batch.operations.map((operation, index): OperationResult | undefined =>
      instead.has(operation) ? { type: "delete", existed: false } : result.results[index]
    );
    return { ...result, results: results.filter((done) => done !== undefined) };
  }

  /** Commits a batch with marks in it. */
  async #commitMarked(batch: Batch, marks: readonly Mark[]): Promise<CommitResult> {
    const result = await this.#fallback.commit(batch).catch((error) => {
      if (error instanceof OutcomeUnknownError) { for (const mark of marks) this.#remember(mark, false); }
      throw error;
    });
    if (result.committed) { for (const mark of marks) this.#remember(mark); }
    return result;
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
    return this.#inTurn(() => this.#clear(prefix));
  }

  async #clear(prefix: Key): Promise<number> {
    const mark = this.#newMark("cleared", prefix);
    if (mark) {
      this.#requireRoom(1);
      await this.#mark([mark]);
    }
    if (prefix.length > 0) return await this.#fallback.clear(prefix);
    let cleared = 0;
    for await (const { key } of this.visible(prefix, {})) {
      await this.#fallback.commit({ operations: [{ type: "delete", key }] });
      cleared++;
    }
    return cleared;
  }

  /**
   * Brings to the primary what waits: cleared prefixes first, then the records as they are now, then the messages. What
   * was brought leaves the fallback. Messages that are leased from the fallback stay until they are settled. Tells whether
   * there are records or prefixes again, which came meanwhile.
   */
  async replay(signal: AbortSignal): Promise<boolean> {
    const marks = [...this.#marks.values()].sort((a, b) => numberOf(a) - numberOf(b));
    for (const mark of marks.filter(({ kind }) => kind === "cleared")) {
      signal.throwIfAborted();
      const [stored] = await this.#fallback.get([mark.markKey]);
      if (stored) await this.#primary.clear(mark.target);
      await this.#inTurn(() => this.#unmark(mark));
    }
    const records = marks.filter(({ kind }) => kind !== "cleared" && kind !== "queue");
    for (let from = 0; from < records.length; from += SEND_BATCH * BATCHES) {
      signal.throwIfAborted();
      const starts = Array.from({ length: BATCHES }, (_, index) => from + index * SEND_BATCH);
      // All of them end first: one that came late would overwrite what is written after a failure.
      const outcomes = await Promise.allSettled(
        starts.map((start) => this.#replayRecords(records.slice(start, start + SEND_BATCH))),
      );
      for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
    }
    for (const mark of marks.filter(({ kind }) => kind === "queue")) {
      signal.throwIfAborted();
      await moveMessages(this.#fallback, this.#primary, mark.target, this.#clock.now());
      await this.#inTurn(async () => {
        if (await this.#messagesIn(mark.target) === 0) await this.#unmark(mark);
      });
    }
    await this.#inTurn(() => this.#countMessages());
    return [...this.#marks.values()].some(({ kind }) => kind !== "queue");
  }

  /** One after the other. */
  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  async #replayRecords(marks: readonly Mark[]): Promise<void> {
    const found = await this.#fallback.get(marks.flatMap(({ target, markKey }) => [target, markKey]));
    const records = marks.map((mark, index): MarkedRecord => {
      const [entry = null, stored = null] = found.slice(index * 2, index * 2 + 2);
      return { mark, entry, stored };
    }).filter(({ mark }) => !this.#isToBeCleared(mark.target));
    const operations = records.flatMap(({ mark, entry, stored }): Operation[] => {
      if (entry) return [toSet(entry, this.#clock.now())];
      // Overwritten and expired since, it is gone as well; only what may never have happened leaves the old one.
      return stored && readMark(stored)?.kind === "record" ? [{ type: "delete", key: mark.target }] : [];
    });
    if (operations.length > 0) await this.#primary.commit({ operations });
    await Promise.all(records.map((record) => this.#inTurn(() => this.#unmarkRecord(record))));
  }

  /** Whether a clear has come since the last ones were brought to the primary: what was written after it has to follow it. */
  #isToBeCleared(key: Key): boolean {
    return key.some((_, length) => this.#marks.has(markName("cleared", key.slice(0, length))));
  }

  /** Takes a mark away with its record, unless one of them was written again since they were read. */
  async #unmarkRecord({ mark, entry, stored }: MarkedRecord): Promise<void> {
    const checks = [
      { key: mark.target, version: entry?.version ?? null },
      { key: mark.markKey, version: stored?.version ?? null },
    ];
    await this.#unmark(mark, checks, entry ? [{ type: "delete", key: mark.target }] : []);
  }

  async #unmark(mark: Mark, checks: readonly Check[] = [], operations: readonly Operation[] = []): Promise<void> {
    const unmark: Operation = { type: "delete", key: mark.markKey };
    const result = await this.#fallback.commit({ checks, operations: [unmark, ...operations] }).catch((error) => {
      this.#unsure.add(nameOf(mark));
      throw error;
    });
    if (!result.committed) return;
    this.#marks.delete(nameOf(mark));
    this.#unsure.delete(nameOf(mark));
  }

  async #mark(marks: readonly Mark[]): Promise<void> {
    const { maxBatchSize } = this.#fallback.traits;
    for (let from = 0; from < marks.length; from += maxBatchSize) {
      const part = marks.slice(from, from + maxBatchSize);
      await this.#commitMarked({ operations: part.map(toOperation) }, part);
    }
  }

  /** The marks that a batch needs and that are not there yet. */
  #newMarks(operations: readonly Operation[]): Mark[] {
    const fresh = new Map<string, Mark>();
    for (const operation of operations) {
      const mark = "queue" in operation
        ? this.#newMark("queue", operation.queue)
        : this.#newMark("record", operation.key);
      if (mark) fresh.set(nameOf(mark), mark);
    }
    return [...fresh.values()];
  }

  /** A mark that is to be written, in place of the one that may be there; `null` where just that is there. */
  #newMark(kind: MarkKind, target: Key): Mark | null {
    const name = markName(kind, target);
    const known = this.#marks.get(name);
    if (known === undefined) return newMark(kind, target, ++this.#sequence);
    return known.kind === kind && !this.#unsure.has(name) ? null : { ...known, kind };
  }

  /** What the primary can never take must not wait for it. */
  #requireSmall(operations: readonly Operation[]): void {
    const { maxValueBytes } = this.#primary.traits;
    if (maxValueBytes >= this.#fallback.traits.maxValueBytes) return;
    for (const operation of operations) {
      const bytes = "value" in operation ? utf8Length(encodeJson(operation.value)) : 0;
      if (bytes > maxValueBytes) throw new ValueTooLargeError(bytes, maxValueBytes);
    }
  }

  #requireRoom(entries: number): void {
    if (this.size + entries > this.#maxEntries) throw new JournalFullError(this.#maxEntries);
  }

  #remember(mark: Mark, isSure = true): void {
    const name = nameOf(mark);
    this.#marks.set(name, mark);
    if (isSure) this.#unsure.delete(name);
    else this.#unsure.add(name);
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

  async #countMessages(): Promise<void> {
    let messages = 0;
    for (const { kind, target } of this.#marks.values()) {
      if (kind === "queue") messages += await this.#messagesIn(target);
    }
    this.#messages = messages;
  }

  async #messagesIn(queue: Key): Promise<number> {
    const { ready, delayed, leased, dead } = await this.#fallback.stats(queue);
    return ready + delayed + leased + dead;
  }
}

/** The same record, with what is left of its time. */
function toSet(entry: Entry, now: number): SetOperation {
  const { key, value, tracked = false, expiresAtMs = Infinity } = entry;
  return { type: "set", key, value, tracked, expiresInMs: Math.max(1, expiresAtMs - now) };
}
