/** The SQLite driver: what the backend needs of one, how `node:sqlite` is loaded, and what its errors mean. @module */

import process from "node:process";
import { BackendCorruptError, BackendUnavailableError, CoordinationError, errorText } from "../../src/errors.ts";

/** What can be bound to a statement. */
export type SqliteValue = string | number | null;

/** A prepared statement, as `node:sqlite` and `better-sqlite3` make them. */
export interface SqliteStatement {
  /** Runs it, and tells how many rows it changed. */
  run(...values: SqliteValue[]): { readonly changes: number | bigint };
  /** Its first row as an object, `undefined` where there is none. */
  get(...values: SqliteValue[]): unknown;
  /** All its rows as objects. */
  all(...values: SqliteValue[]): unknown[];
  /** Makes it give rows as arrays, where the driver can. */
  setReturnArrays?(enabled: boolean): void;
}

/** A connection, as `DatabaseSync` of `node:sqlite` and `Database` of `better-sqlite3` are. */
export interface SqliteDatabase {
  /** Runs statements that give no rows. */
  exec(sql: string): unknown;
  /** Prepares a statement. */
  prepare(sql: string): SqliteStatement;
  /** Closes the connection. */
  close(): unknown;
}

/** Another connection holds a lock that is needed. Nothing was done; worth another try. */
export class LockedError extends Error {}

type NodeSqlite = typeof import("node:sqlite");

/**
 * `node:sqlite`, looked up when a backend is made: where it is missing, importing this module does no harm.
 *
 * @throws {CoordinationError} `DRIVER_MISSING`, where the runtime has none.
 */
export function loadSqlite(): NodeSqlite {
  // Without the check, old versions of Node fail with an error that does not say what to do.
  const loaded = typeof process.getBuiltinModule === "function" ? process.getBuiltinModule("node:sqlite") : undefined;
  if (loaded === undefined) {
    throw new CoordinationError(
      "DRIVER_MISSING",
      "Cannot make the SQLite backend: this runtime has no node:sqlite, which Deno and Node 22.13 or newer have; " +
        "pass another driver's connection as `database`",
    );
  }
  return loaded;
}

/** What a failed call is to its caller: {@linkcode LockedError}, an error of this library, or the driver's as it is. */
export function translate(error: unknown, name: string): unknown {
  const code = resultCode(error);
  if (code === null || error instanceof CoordinationError) return error;
  const why = errorText(error);
  if (LOCKED.includes(code)) return new LockedError(why, { cause: error });
  if (DAMAGED.includes(code)) {
    return new BackendCorruptError(`Cannot use the backend "${name}": ${why}`, { cause: error });
  }
  if (UNAVAILABLE.includes(code)) {
    return new BackendUnavailableError(`Cannot reach the backend "${name}": ${why}`, { cause: error });
  }
  return error;
}

/**
 * Whether the file itself gives trouble, for which a connection may go on telling of it when all is well again: it
 * stays read-only when the file was so once, and keeps damaged pages in mind.
 */
export function isTroubleOfFile(error: unknown): boolean {
  const code = resultCode(error);
  return code !== null && TROUBLE.includes(code);
}

// The names and numbers of https://www.sqlite.org/rescode.html; PROTOCOL is a race for a lock that was lost too often.
const CODES = [
  "OK",
  "ERROR",
  "INTERNAL",
  "PERM",
  "ABORT",
  "BUSY",
  "LOCKED",
  "NOMEM",
  "READONLY",
  "INTERRUPT",
  "IOERR",
  "CORRUPT",
  "NOTFOUND",
  "FULL",
  "CANTOPEN",
  "PROTOCOL",
] as const;
const NOT_A_DATABASE = 26;
const LOCKED: readonly string[] = ["BUSY", "LOCKED", "PROTOCOL"];
const DAMAGED: readonly string[] = ["CORRUPT", "NOTADB"];
const TROUBLE: readonly string[] = [...DAMAGED, "PERM", "READONLY", "IOERR", "CANTOPEN"];
const UNAVAILABLE: readonly string[] = ["PERM", "NOMEM", "READONLY", "INTERRUPT", "IOERR", "FULL", "CANTOPEN"];

// Where there is no number, as of `exec` in Deno, SQLite's own words must do.
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/database (table )?is locked/, "BUSY"],
  [/file is not a database/, "NOTADB"],
  [/malformed/, "CORRUPT"],
  [/unable to open/, "CANTOPEN"],
  [/disk I\/O error/, "IOERR"],
  [/readonly database/, "READONLY"],
  [/disk is full/, "FULL"],
];

/** SQLite's name of what went wrong, without its details; `null` where the error is not SQLite's. */
export function resultCode(error: unknown): string | null {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return null;
  if (error.code !== "ERR_SQLITE_ERROR") return /^SQLITE_([A-Z]+)/.exec(error.code)?.[1] ?? null;
  if ("errcode" in error && typeof error.errcode === "number") {
    const primary = error.errcode & 0xff;
    return primary === NOT_A_DATABASE ? "NOTADB" : CODES[primary] ?? null;
  }
  return WORDS.find(([words]) => words.test(error.message))?.[1] ?? "ERROR";
}
