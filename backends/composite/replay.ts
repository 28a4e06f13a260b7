/** Brings to the primary what is marked in the fallback. @module */

import type { Clock } from "../../src/clock.ts";
import type { Entry, Operation, SetOperation, StorageBackend } from "../../src/storage/backend.ts";
import { type Mark, readMark } from "./journal_marks.ts";
import type { MarkBook } from "./mark_book.ts";
import { messagesIn, moveDelayed, moveReady, SEND_BATCH } from "./moving.ts";

/** What a replay works with. */
export interface ReplayParts {
  readonly primary: StorageBackend;
  readonly fallback: StorageBackend;
  readonly book: MarkBook;
  readonly clock: Clock;
}

// So many batches of records are on their way to the primary at once.
const BATCHES = 10;

/**
 * Brings over cleared prefixes first, then the records as they are now, then the messages: all of them where no calls go to
 * the fallback meanwhile, as `isAlone` says, else those that are due. What was brought leaves the fallback, with its marks.
 * Messages that are leased from the fallback stay until they are settled.
 */
export async function replay(parts: ReplayParts, isAlone: boolean, signal: AbortSignal): Promise<void> {
  const { primary, fallback, book, clock } = parts;
  const [prefixes, records, queues] = [book.of("cleared"), book.of("record", "announced"), book.of("queue")];
  for (const mark of prefixes) {
    signal.throwIfAborted();
    const [stored] = await fallback.get([mark.markKey]);
    if (stored) await primary.clear(mark.target);
    await book.inTurn(() => book.remove(mark));
  }
  for (let from = 0; from < records.length; from += SEND_BATCH * BATCHES) {
    signal.throwIfAborted();
    const starts = Array.from({ length: BATCHES }, (_, index) => from + index * SEND_BATCH);
    // All of them end first: one that came late would overwrite what is written after a failure.
    const outcomes = await Promise.allSettled(
      starts.map((start) => replayRecords(parts, records.slice(start, start + SEND_BATCH))),
    );
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }
  for (const mark of queues) {
    signal.throwIfAborted();
    await moveReady(fallback, primary, mark.target);
    if (isAlone) await moveDelayed(fallback, primary, mark.target, clock.now());
    await book.inTurn(async () => {
      if (await messagesIn(fallback, mark.target) === 0) await book.remove(mark);
    });
  }
}

async function replayRecords({ primary, fallback, book, clock }: ReplayParts, marks: readonly Mark[]): Promise<void> {
  const found = await fallback.get(marks.flatMap(({ target, markKey }) => [target, markKey]));
  const records = marks.map((mark, index): MarkedRecord => {
    const [entry = null, stored = null] = found.slice(index * 2, index * 2 + 2);
    return { mark, entry, stored };
  }).filter(({ mark }) => !book.isToBeCleared(mark.target)); // by a clear that came since, which it has to follow
  const operations = records.flatMap((record) => toOperations(record, clock.now()));
  if (operations.length > 0) await primary.commit({ operations });
  await Promise.all(records.map((record) => book.inTurn(() => remove(book, record))));
}

/** A record, as the fallback has it, and the mark that stands there for it: what happened, that tells. */
interface MarkedRecord {
  readonly mark: Mark;
  readonly entry: Entry | null;
  readonly stored: Entry | null;
}

function toOperations({ mark, entry, stored }: MarkedRecord, now: number): Operation[] {
  if (entry) return [toSet(entry, now)];
  // Overwritten and expired since, it is gone as well; only what may never have happened leaves the old one.
  return stored && readMark(stored)?.kind === "record" ? [{ type: "delete", key: mark.target }] : [];
}

/** The same record, with what is left of its time. */
function toSet(entry: Entry, now: number): SetOperation {
  const { key, value, tracked = false, expiresAtMs = Infinity } = entry;
  return { type: "set", key, value, tracked, expiresInMs: Math.max(1, expiresAtMs - now) };
}

/** Takes a mark away with its record, unless one of them was written again since they were read. */
async function remove(book: MarkBook, { mark, entry, stored }: MarkedRecord): Promise<void> {
  const checks = [
    { key: mark.target, version: entry?.version ?? null },
    { key: mark.markKey, version: stored?.version ?? null },
  ];
  await book.remove(mark, checks, entry ? [{ type: "delete", key: mark.target }] : []);
}
