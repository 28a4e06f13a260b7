/** Cleaning: who makes the store remember something cleans in passing what others need no more. @module */

import { monotonicMs, systemClock } from "../../src/clock.ts";
import type { Connection } from "./connection.ts";
import type { Statements } from "./statements.ts";

// For each new row two are taken away, where so many are over: they can never pile up.
const ROWS_A_NEW_ONE = 2;
const NEW_ROWS_A_STEP = 500;
/** However many are owed, so that nobody waits long for a row that is being taken away. */
const MAX_ROWS_A_STEP = 2000;
const QUEUES_A_STEP = 500;
const LIMIT_MS = 30_000;

/**
 * Takes away expired records, ids that need no more be remembered, old deletions, and queues and feeds that are empty.
 */
export class Sweep {
  readonly #connection: Connection;
  readonly #statements: Statements;
  // By chance, so that processes too short-lived for a whole step do their part too.
  #owed = Math.floor(Math.random() * NEW_ROWS_A_STEP);
  #running: Promise<void> | null = null;
  #lastQueue = 0;
  #lastFeed = 0;

  /** Cleans over a connection. */
  constructor(connection: Connection, statements: Statements) {
    this.#connection = connection;
    this.#statements = statements;
  }

  /** Pays for so many new rows; the work goes on beside other calls. */
  pay(newRows: number): void {
    this.#owed += newRows;
    if (this.#owed < NEW_ROWS_A_STEP || this.#running) return;
    const rows = Math.min(this.#owed * ROWS_A_NEW_ONE, MAX_ROWS_A_STEP);
    this.#owed -= rows / ROWS_A_NEW_ONE;
    this.#running = this.#clean(rows).catch(() => {}).finally(() => this.#running = null); // the next one does it
  }

  /** Waits for what is under way. */
  async close(): Promise<void> {
    await this.#running;
  }

  async #clean(rows: number): Promise<void> {
    const { sweepRecords, sweepIds, sweepQueues, sweepDeletions, sweepFeeds } = this.#statements;
    await this.#connection.write(monotonicMs(systemClock) + LIMIT_MS, async (session) => {
      await session.query(sweepRecords, [rows]);
      await session.query(sweepIds, [rows]);
      const [row] = await session.query(sweepQueues, [this.#lastQueue, QUEUES_A_STEP]);
      this.#lastQueue = Number(row?.last ?? 0);
      await session.query(sweepDeletions, [rows]);
      const [feed] = await session.query(sweepFeeds, [this.#lastFeed, QUEUES_A_STEP]);
      this.#lastFeed = Number(feed?.last ?? 0);
    });
  }
}
