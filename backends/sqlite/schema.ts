/** The file format: its mark, its version, its tables, and how an older one becomes the newest. @module */

import { BackendCorruptError, SchemaNewerError } from "../../src/errors.ts";
import type { SqliteDatabase } from "./driver.ts";

/** "taoc" in the header of a file says that it is ours. */
const APPLICATION_ID = 0x74616f63;

/** Each makes of the format before it the next: the first one of an empty file. None is ever changed once published. */
const MIGRATIONS: readonly string[] = [
  `
  -- What belongs to the whole file: where the last version of a record and the cleaning have got to.
  CREATE TABLE store (
    last_version INTEGER NOT NULL,
    swept_queue INTEGER NOT NULL,
    swept_id TEXT NOT NULL,
    swept_num INTEGER NOT NULL
  ) STRICT;
  INSERT INTO store VALUES (0, 0, '', 0);

  CREATE TABLE records (
    key TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    expires_at REAL,
    feed INTEGER
  ) STRICT;
  CREATE INDEX records_by_expiry ON records (expires_at) WHERE expires_at IS NOT NULL;
  CREATE INDEX records_by_feed ON records (feed, version) WHERE feed IS NOT NULL;

  -- The parents of tracked records. Of deletions up to the version floor there may be no trace any more.
  CREATE TABLE feeds (
    num INTEGER PRIMARY KEY,
    parent TEXT UNIQUE NOT NULL,
    floor INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE deletions (
    feed INTEGER NOT NULL,
    version INTEGER NOT NULL,
    key TEXT NOT NULL,
    PRIMARY KEY (feed, version)
  ) STRICT, WITHOUT ROWID;

  -- With counters, so that a limit or the numbers of a queue cost no scan. Topics that are notified stand here too.
  CREATE TABLE queues (
    num INTEGER PRIMARY KEY,
    name TEXT UNIQUE NOT NULL,
    ready INTEGER NOT NULL DEFAULT 0,
    delayed INTEGER NOT NULL DEFAULT 0,
    leased INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    sequence INTEGER NOT NULL DEFAULT 0,
    wakes INTEGER NOT NULL,
    touched_at REAL NOT NULL
  ) STRICT;

  -- In the order of sending, so that neighbours are sent, leased and acknowledged together.
  CREATE TABLE messages (
    num INTEGER PRIMARY KEY,
    queue INTEGER NOT NULL,
    place INTEGER NOT NULL,
    due_at REAL NOT NULL,
    sequence INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    enqueued_at REAL NOT NULL,
    token TEXT NOT NULL,
    id TEXT NOT NULL,
    last_error TEXT,
    value TEXT NOT NULL
  ) STRICT;
  CREATE INDEX messages_in_order ON messages (queue, place, due_at, sequence);

  -- The ids that queues hold or remember, apart from the messages: they outlive them.
  CREATE TABLE ids (
    queue INTEGER NOT NULL,
    id TEXT NOT NULL,
    message INTEGER NOT NULL,
    forget_at REAL NOT NULL,
    PRIMARY KEY (queue, id)
  ) STRICT, WITHOUT ROWID;
  `,
];

/**
 * Makes sure that a database has the newest format: makes it in an empty one, brings an older one to it, and refuses,
 * untouched, one that is newer or something else.
 *
 * @throws {BackendCorruptError} When the file holds something else.
 * @throws {SchemaNewerError} When it was written by a newer version of this library.
 */
export function prepareSchema(database: SqliteDatabase, name: string): void {
  const version = versionOf(database, name);
  database.exec("PRAGMA journal_mode = WAL");
  if (version === MIGRATIONS.length) return;
  database.exec("BEGIN IMMEDIATE");
  try {
    // Looked at again under the lock: another process may have been faster.
    for (const migration of MIGRATIONS.slice(versionOf(database, name))) database.exec(migration);
    database.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${MIGRATIONS.length}; COMMIT`);
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

/** Ends a transaction that has failed; after some errors, SQLite has done so already. */
export function rollBack(database: SqliteDatabase): void {
  try {
    database.exec("ROLLBACK");
  } catch {
    // There is none any more.
  }
}

/** The version of the format, 0 for an empty file. */
function versionOf(database: SqliteDatabase, name: string): number {
  // In one statement, which sees all that another process makes of an empty file, or nothing of it.
  const row = database.prepare(`
    SELECT application_id, user_version, (SELECT count(*) FROM sqlite_schema) AS tables
    FROM pragma_application_id, pragma_user_version`).get();
  // deno-coverage-ignore -- the compiler asks for it: the statement gives a row
  const [applicationId, version, tables] = Object.values(row ?? {}).map(Number);
  if (applicationId === APPLICATION_ID && version !== undefined) {
    if (version > MIGRATIONS.length) throw new SchemaNewerError(name, version, MIGRATIONS.length);
    return version;
  }
  if (applicationId !== 0 || version !== 0 || tables !== 0) {
    throw new BackendCorruptError(`Cannot open the backend "${name}": the file holds another application's data`);
  }
  return 0;
}
