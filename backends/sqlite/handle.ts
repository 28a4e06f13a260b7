/** The store of a backend: opened by the first call, and anew where the file gave trouble or is another one. @module */

import { statSync } from "node:fs";
import { resolve } from "node:path";
import { monotonicMs, systemClock } from "../../src/clock.ts";
import type { ConnectionOptions } from "./connection.ts";
import { loadSqlite, type SqliteDatabase } from "./driver.ts";
import { Store } from "./store.ts";

// A look at the file takes some 10 µs, a third of a transaction: this often, it is not felt.
const LOOK_MS = 1;

/** Holds the open store, and lets go of it when it is no good any more. */
export class Handle {
  readonly #openDatabase: () => SqliteDatabase;
  readonly #namespace: string;
  readonly #options: ConnectionOptions;
  /** `null` where no path names it, or only one that SQLite reads in its own way. */
  readonly #path: string | null;
  #store: Store | null = null;
  #identity: string | null = null;
  #lookedAtMs = 0;
  #isDoubted = false;

  /** Opens nothing yet: a file by its path, or the caller's connection. */
  constructor(
    path: string | undefined,
    database: SqliteDatabase | undefined,
    namespace: string,
    options: ConnectionOptions,
  ) {
    this.#openDatabase = opener(path, database);
    this.#namespace = namespace;
    this.#options = options;
    this.#path = path === undefined || path === ":memory:" || path.startsWith("file:") ? null : resolve(path);
  }

  /** Whether there is an open store. */
  get isOpen(): boolean {
    return this.#store !== null;
  }

  /** The open store; opens it where that has not been done, or could not be. */
  store(): Store {
    if (this.#store && (this.#isDoubted || this.#isAnother())) this.close();
    if (this.#store) return this.#store;
    const database = this.#openDatabase();
    try {
      this.#store = new Store(database, this.#namespace, this.#options);
    } catch (error) {
      if (this.#options.owned) database.close();
      throw error;
    }
    this.#isDoubted = false;
    this.#identity = this.#look();
    return this.#store;
  }

  /**
   * The engine failed: the next call opens the file again, which may be whole by then. A caller's connection is its own
   * affair.
   */
  doubt(): void {
    this.#isDoubted = this.#options.owned;
  }

  /** Lets go of the store. */
  close(): void {
    this.#store?.connection.close();
    this.#store = null;
  }

  /** Whether the path names another file by now, or none: what is written to this one, nobody would ever find. */
  #isAnother(): boolean {
    return this.#path !== null && monotonicMs(systemClock) >= this.#lookedAtMs + LOOK_MS &&
      this.#look() !== this.#identity;
  }

  /** Names the file that is there, `null` where there is none. */
  #look(): string | null {
    if (this.#path === null) return null;
    this.#lookedAtMs = monotonicMs(systemClock);
    const found = statSync(this.#path, { bigint: true, throwIfNoEntry: false });
    return found ? `${found.dev}:${found.ino}` : null;
  }
}

/** How to get the database: the caller's, or a new connection to a file. */
function opener(path: string | undefined, database: SqliteDatabase | undefined): () => SqliteDatabase {
  if (database) return () => database;
  const { DatabaseSync } = loadSqlite();
  // deno-coverage-ignore -- the compiler asks for it: without a database there is a path
  return () => new DatabaseSync(path ?? "");
}
