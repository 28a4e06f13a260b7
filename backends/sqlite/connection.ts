/** One connection to a database: its settings, its statements with the types of their rows, transactions. @module */

import { BackendCorruptError, errorText, OutcomeUnknownError } from "../../src/errors.ts";
import { resultCode, type SqliteDatabase, type SqliteStatement, type SqliteValue } from "./driver.ts";
import { prepareSchema, rollBack } from "./schema.ts";

/** A statement whose rows have this shape. */
export interface Statement<Row = never> {
  /** Runs it, and tells how many rows it changed. */
  run(...values: SqliteValue[]): { readonly changes: number | bigint };
  /** Its first row. */
  get(...values: SqliteValue[]): Row | undefined;
  /** All its rows. */
  all(...values: SqliteValue[]): Row[];
}

/** How a connection is set up. */
export interface ConnectionOptions {
  /** What the backend is called in errors. */
  readonly name: string;
  /** Whether a commit waits until it is on the disk. */
  readonly synchronous: "normal" | "full";
  /** Whether `close` closes the database. */
  readonly owned: boolean;
}

// How long SQLite itself waits for a lock, with the event loop standing still; beyond that, the wait is asynchronous.
const BLOCKING_WAIT_MS = 2;

// Pages of 4 KiB: 16 MiB of them are kept in memory, and written back to the file when the log has grown by as many.
const CACHED_PAGES = 4096;

/** What a log that was longer for a while is cut to. */
const MAX_IDLE_LOG_BYTES = 64 * 1024 * 1024;

/** An open connection to a database of the newest format. */
export class Connection {
  readonly #database: SqliteDatabase;
  readonly #options: ConnectionOptions;
  readonly #begin: Statement;
  readonly #beginRead: Statement;
  readonly #commit: Statement;
  readonly #dataVersion: Statement<{ readonly data_version: number }>;

  /**
   * Sets a database up, and makes its tables where it is empty.
   *
   * @throws {BackendCorruptError | SchemaNewerError} When the file is damaged, foreign or newer.
   */
  constructor(database: SqliteDatabase, options: ConnectionOptions) {
    this.#database = database;
    this.#options = options;
    database.exec(`PRAGMA busy_timeout = ${BLOCKING_WAIT_MS}`);
    prepareSchema(database, options.name);
    database.exec(`
      PRAGMA synchronous = ${options.synchronous};
      PRAGMA cache_size = ${CACHED_PAGES};
      PRAGMA wal_autocheckpoint = ${CACHED_PAGES};
      PRAGMA journal_size_limit = ${MAX_IDLE_LOG_BYTES};
    `);
    this.#begin = this.prepare("BEGIN IMMEDIATE");
    this.#beginRead = this.prepare("BEGIN");
    this.#commit = this.prepare("COMMIT");
    this.#dataVersion = this.prepare("PRAGMA data_version");
  }

  /** Prepares a statement. Tables are STRICT, so that the engine itself holds rows to their types. */
  prepare<Row = never>(sql: string): Statement<Row> {
    return this.#prepare(sql) as Statement<Row>;
  }

  /** Prepares a query whose rows come as arrays: reading a row of eight columns as an object takes a µs more. */
  prepareArrays<Row extends readonly unknown[]>(sql: string): (...values: SqliteValue[]) => Row[] {
    const statement = this.#prepare(sql);
    if (statement.setReturnArrays === undefined) {
      return (...values) => statement.all(...values).map((row) => Object.values(Object(row))) as unknown[] as Row[];
    }
    statement.setReturnArrays(true);
    return (...values) => statement.all(...values) as Row[];
  }

  /** Does all of `work`, or nothing. No other connection writes meanwhile. */
  write<Result>(work: () => Result): Result {
    this.#begin.run();
    let result: Result;
    try {
      result = work();
    } catch (error) {
      rollBack(this.#database);
      throw error;
    }
    try {
      this.#commit.run();
    } catch (error) {
      rollBack(this.#database);
      if (resultCode(error) !== "IOERR") throw error;
      const why = errorText(error);
      throw new OutcomeUnknownError(`Cannot tell whether it was committed: ${why}`, { cause: error });
    }
    return result;
  }

  /** Does `work` on one state of the database, whatever others write meanwhile. */
  read<Result>(work: () => Result): Result {
    this.#beginRead.run();
    try {
      return work();
    } finally {
      rollBack(this.#database);
    }
  }

  /** A number that changes when another connection has committed. */
  dataVersion(): number {
    // deno-coverage-ignore -- the compiler asks for it: the pragma gives a row
    return this.#dataVersion.get()?.data_version ?? 0;
  }

  /** Lets go of the database. The last connection to a file writes the log back and removes it. */
  close(): void {
    if (this.#options.owned) this.#database.close();
  }

  #prepare(sql: string): SqliteStatement {
    try {
      return this.#database.prepare(sql);
    } catch (error) {
      // The statements are right, so that a table or column must be missing.
      if (resultCode(error) !== "ERROR") throw error;
      const why = errorText(error);
      throw new BackendCorruptError(`Cannot open the backend "${this.#options.name}": ${why}`, { cause: error });
    }
  }
}

/** Whether a database is in memory or temporary, and its connection's alone. */
export function isInMemory(database: SqliteDatabase): boolean {
  const row = database.prepare("SELECT file FROM pragma_database_list WHERE name = 'main'").get();
  return typeof row !== "object" || row === null || !("file" in row) || !row.file;
}
