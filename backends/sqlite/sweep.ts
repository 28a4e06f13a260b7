/** Cleaning: who makes the store remember something cleans in passing what others need no more. @module */

import type { Connection, Statement } from "./connection.ts";
import { SWEEP } from "./statements.ts";

interface Cursor {
  readonly swept_queue: number;
  readonly swept_id: string;
  readonly swept_num: number;
}

// For each new id, so many are looked at: the hand is round again before there is more garbage than what is needed. An
// index by the time to forget at would find it at once, and cost 1.3 µs for each message that is sent.
const ROWS_A_NEW_ONE = 2;

/** Looking at a few rows costs as much as looking at so many, which then are neighbours. */
const ROWS_A_STEP = 256;

/** An empty queue is kept for so long, lest one that fills and empties be made anew each time. */
const KEEP_QUEUE_MS = 60_000;

const LAST = Number.MAX_SAFE_INTEGER;

/** A hand that goes round all ids and all queues, of all namespaces, and takes away what is over. */
export class Sweep {
  readonly #cursor: Statement<Cursor>;
  readonly #saveCursor: Statement;
  readonly #idsEnd: Statement<{ readonly queue: number; readonly id: string }>;
  readonly #ids: Statement;
  readonly #queuesEnd: Statement<{ readonly num: number }>;
  readonly #queues: Statement;
  // By chance, so that processes too short-lived for a whole step do their part too.
  #owed = Math.random() * ROWS_A_STEP;

  /** Prepares what it needs. */
  constructor(connection: Connection) {
    this.#cursor = connection.prepare(SWEEP.cursor);
    this.#saveCursor = connection.prepare(SWEEP.saveCursor);
    this.#idsEnd = connection.prepare(SWEEP.idsEnd);
    this.#ids = connection.prepare(SWEEP.ids);
    this.#queuesEnd = connection.prepare(SWEEP.queuesEnd);
    this.#queues = connection.prepare(SWEEP.queues);
  }

  /** Pays for so many new rows, at the end of the transaction that added them. */
  pay(newRows: number, now: number): void {
    this.#owed += newRows * ROWS_A_NEW_ONE;
    if (this.#owed < ROWS_A_STEP) return;
    const rows = Math.floor(this.#owed);
    this.#owed = 0;
    // deno-coverage-ignore -- the compiler asks for it: the table has its one row
    const { swept_queue, swept_id, swept_num } = this.#cursor.get() ?? { swept_queue: 0, swept_id: "", swept_num: 0 };
    const end = this.#idsEnd.get(swept_queue, swept_id, rows - 1);
    this.#ids.run(swept_queue, swept_id, end?.queue ?? LAST, end?.id ?? "", now);
    const lastQueue = this.#queuesEnd.get(swept_num, rows - 1);
    this.#queues.run(swept_num, lastQueue?.num ?? LAST, now - KEEP_QUEUE_MS);
    this.#saveCursor.run(end?.queue ?? 0, end?.id ?? "", lastQueue?.num ?? 0);
  }
}
