/** The options of the SQLite backend. @module */

import { type OptionNames, requireClock } from "../../src/check.ts";
import type { Clock } from "../../src/clock.ts";
import type { SqliteDatabase } from "./driver.ts";

/** How to make a `SqliteBackend`. Exactly one of `path` and `database`. */
export interface SqliteBackendOptions {
  /** The file, which is made where there is none, in a folder that exists; or `:memory:`. */
  readonly path?: string;
  /**
   * The caller's own connection, of `node:sqlite`, `better-sqlite3` or the like, to a database that holds nothing else.
   * The backend sets it up, and `close` leaves it open.
   */
  readonly database?: SqliteDatabase;
  /** Part of every key: namespaces of one file do not see each other. 1 to 64 characters. @default {"ao"} */
  readonly namespace?: string;
  /** The time that decides about leases, delays and expiry. @default {systemClock} */
  readonly clock?: Clock;
  /** How long a call waits for other connections' locks, in milliseconds, without blocking. @default {5000} */
  readonly busyTimeoutMs?: number;
  /**
   * What a commit survives. `"normal"`: the end of the process at any point. `"full"`: a loss of power as well, for a
   * wait for the disk in each transaction; without it, the last moments before a loss of power may be lost, in order,
   * and the file stays whole.
   *
   * @default {"normal"}
   */
  readonly synchronous?: "normal" | "full";
}

/** All of them. */
export const SQLITE_OPTIONS: OptionNames<SqliteBackendOptions> = {
  path: true,
  database: true,
  namespace: true,
  clock: requireClock,
  busyTimeoutMs: true,
  synchronous: true,
};
