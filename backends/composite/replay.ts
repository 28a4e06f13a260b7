/** Brings to the primary what is marked in the fallback. @module */

import type { Clock } from "../../src/clock.ts";
import type {
  Check,
  Entry,
  Operation,
  SetOperation,
  StorageBackend,
  StoredMessage,
} from "../../src/storage/backend.ts";
import { partsOf } from "../../src/storage/parts.ts";
import { type Mark, readMark, toOperation } from "./journal_marks.ts";
import type { MarkBook } from "./mark_book.ts";
import { messagesIn, moveReady, moveRest, SEND_BATCH } from "./moving.ts";

/** What a replay works with. */
export interface ReplayParts {
  readonly primary: StorageBackend;
  readonly fallback: StorageBackend;
  readonly book: MarkBook;
  readonly clock: Clock;
  /** Told of a message that may have arrived at the primary, and may still be served by the fallback. */
  readonly onDoubt: (message: StoredMessage) => void;
  /** Told of a mark that the fallback has lost, with what it marked. */
  readonly onLoss: (mark: Mark) => void;
}

// Two checks, and the deletions of a record and of its mark.
const MOST_A_RECORD = 4;

// So many batches of records are on their way to the primary at once.
const BATCHES = 10;

/**
 * Brings over cleared prefixes first, then the records as they are now, then the messages: all of them where no calls
 * go to the fallback meanwhile, as `isAlone` says, else those that can be held. Records stay in the fallback until
 * `clean`; messages leave it. Those that are leased from the fallback stay until they are settled.
 */
export async function replay(parts: ReplayParts, isAlone: boolean, signal: AbortSignal): Promise<void> {
  const { primary, fallback, book, clock, onDoubt, onLoss } = parts;
  const [prefixes, records, queues] = [book.of("cleared"), book.of("record", "announced"), book.of("queue")];
  for (const mark of prefixes) {
    signal.throwIfAborted();
    const [stored] = await fallback.get([mark.markKey]);
    if (stored) await primary.clear(mark.target);
    else if (book.isSure(mark)) onLoss(mark);
    await book.inTurn(() => book.remove([mark]));
  }
  for (const some of partsOf(records, SEND_BATCH * BATCHES)) {
    signal.throwIfAborted();
    // All of them end first: one that came late would overwrite what is written after a failure.
    const outcomes = await Promise.allSettled(
      Array.from(partsOf(some, SEND_BATCH), (marks) => replayRecords(parts, marks)),
    );
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }
  for (const mark of queues) {
    signal.throwIfAborted();
    const [stored] = await fallback.get([mark.markKey]);
    if (!stored && book.isSure(mark)) onLoss(mark);
    await moveReady(fallback, primary, mark.target, clock.now());
    if (isAlone) await moveRest(fallback, primary, mark.target, clock.now(), onDoubt);
    await book.inTurn(async () => {
      if (await messagesIn(fallback, mark.target) === 0) await book.remove([mark]);
    });
  }
}

/** Removes from the fallback, which does not serve any more, what was brought to the primary. */
export async function clean(parts: ReplayParts, signal?: AbortSignal): Promise<void> {
  const marks = parts.book.of("brought");
  for (const some of partsOf(marks, SEND_BATCH * BATCHES)) {
    signal?.throwIfAborted();
    await settle(parts, await readMarked(parts, some), remove);
  }
}

async function replayRecords(parts: ReplayParts, marks: readonly Mark[]): Promise<void> {
  const { primary, book, clock, onLoss } = parts;
  const records = (await readMarked(parts, marks))
    .filter(({ mark }) => !book.isToBeCleared(mark.target)); // by a clear that came since, which it has to follow
  for (const { mark, entry, stored } of records) if (!entry && !stored && book.isSure(mark)) onLoss(mark);
  const operations = records.flatMap((record) => toOperations(record, clock.now()));
  if (operations.length > 0) await primary.commit({ operations });
  // Whoever reads a record before the primary serves must find it still.
  await settle(parts, records.filter(({ entry }) => entry !== null), keep);
  await settle(parts, records.filter(({ entry }) => entry === null), remove);
}

/** A record, as the fallback has it, and the mark that stands there for it: what happened, that tells. */
interface MarkedRecord {
  readonly mark: Mark;
  readonly entry: Entry | null;
  readonly stored: Entry | null;
}

async function readMarked({ fallback }: ReplayParts, marks: readonly Mark[]): Promise<MarkedRecord[]> {
  const found = await fallback.get(marks.flatMap(({ target, markKey }) => [target, markKey]));
  return marks.map((mark, index) => {
    const [entry = null, stored = null] = found.slice(index * 2, index * 2 + 2);
    return { mark, entry, stored };
  });
}

function toOperations({ mark, entry, stored }: MarkedRecord, now: number): Operation[] {
  const kind = stored && readMark(stored)?.kind;
  if (kind === "brought") return [];
  if (entry) return [toSet(entry, now)];
  // Overwritten and expired since, it is gone as well; only what may never have happened leaves the old one.
  return kind === "record" ? [{ type: "delete", key: mark.target }] : [];
}

/** The same record, with what is left of its time. */
function toSet(entry: Entry, now: number): SetOperation {
  const { key, value, tracked = false, expiresAtMs = Infinity } = entry;
  return { type: "set", key, value, tracked, expiresInMs: Math.max(1, expiresAtMs - now) };
}

/** Does with many records in one step what is refused where one of them was written again since; then one by one. */
async function settle(
  { book, fallback }: ReplayParts,
  records: readonly MarkedRecord[],
  step: (book: MarkBook, records: readonly MarkedRecord[]) => Promise<boolean>,
): Promise<void> {
  const size = Math.floor(fallback.traits.maxBatchSize / MOST_A_RECORD);
  for (const some of partsOf(records, size)) {
    await book.inTurn(async () => {
      // Another one may have taken a mark away since it was read, and what is there now has a mark of its own.
      const part = some.filter(({ mark }) => book.has(mark));
      if (await step(book, part)) return;
      for (const record of part) await step(book, [record]);
    });
  }
}

/** Marks records as brought. */
async function keep(book: MarkBook, records: readonly MarkedRecord[]): Promise<boolean> {
  const brought = records.map(({ mark }): Mark => ({ ...mark, kind: "brought" }));
  const batch = { checks: records.flatMap(unchanged), operations: brought.map(toOperation) };
  return (await book.commit(batch, brought)).committed;
}

/** Takes marks away with their records. */
async function remove(book: MarkBook, records: readonly MarkedRecord[]): Promise<boolean> {
  const deletions = records.flatMap(({ mark, entry }): Operation[] =>
    entry ? [{ type: "delete", key: mark.target }] : []
  );
  return await book.remove(records.map(({ mark }) => mark), records.flatMap(unchanged), deletions);
}

function unchanged({ mark, entry, stored }: MarkedRecord): Check[] {
  return [
    { key: mark.target, version: entry?.version ?? null },
    { key: mark.markKey, version: stored?.version ?? null },
  ];
}
