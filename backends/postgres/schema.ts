/** The tables: their format, its version, and how an older one becomes the newest. @module */

import { BackendCorruptError, SchemaNewerError } from "../../src/errors.ts";
import type { Driver, Session } from "./driver.ts";
import { identifier } from "./text.ts";

/** The class of our advisory locks, "taoc"; the second number of one tells what it is about. */
export const LOCK_CLASS = 0x74616f63;

const FIND_TABLE = `
  SELECT 1 AS there FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
  WHERE n.nspname = $1::text AND c.relname = 'format'`;

/** One step of the format: what it does, and the oldest library format that can still work on its result. */
interface Migration {
  readonly readableBy: number;
  readonly statements: readonly string[];
}

// What a busy queue leaves behind is looked for after some thousand changes, not after a fifth of the table, and the
// work is not throttled. Measured: bench/offered_load.ts.
const CLEANED_OFTEN = `autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
  autovacuum_analyze_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0`;

/** Each makes of the format before it the next. None is ever changed once published. `~` stands for the schema. */
const MIGRATIONS: readonly Migration[] = [{
  readableBy: 1,
  statements: [
    `CREATE TABLE ~.records (
      key text COLLATE "C" PRIMARY KEY,
      version text NOT NULL,
      expires_at double precision,
      feed bigint,
      change bigint,
      value text NOT NULL
    ) WITH (fillfactor = 80, ${CLEANED_OFTEN})`,
    `CREATE INDEX records_by_expiry ON ~.records (expires_at) WHERE expires_at IS NOT NULL`,
    `CREATE INDEX records_by_change ON ~.records (feed, change) WHERE feed IS NOT NULL`,

    // The parents of tracked records. Each commit that changes one locks its row until it ends, so that changes are
    // numbered in the order in which they can be seen. Of deletions up to the floor there may be no trace any more.
    `CREATE TABLE ~.feeds (
      num bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      parent text COLLATE "C" NOT NULL UNIQUE,
      sequence bigint NOT NULL,
      floor bigint NOT NULL DEFAULT 0,
      touched_at double precision NOT NULL
    ) WITH (fillfactor = 50)`,
    `CREATE TABLE ~.deletions (
      feed bigint NOT NULL,
      change bigint NOT NULL,
      deleted_at double precision NOT NULL,
      key text COLLATE "C" NOT NULL,
      PRIMARY KEY (feed, change)
    )`,
    `CREATE INDEX deletions_by_time ON ~.deletions (deleted_at)`,

    // Each commit that touches a queue locks its row: so order and capacity are exact. No index is on what changes, and
    // half of each page is free, so that a change stays on its page and needs no index entry (HOT).
    `CREATE TABLE ~.queues (
      num bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      name text COLLATE "C" NOT NULL UNIQUE,
      live bigint NOT NULL DEFAULT 0,
      sequence bigint NOT NULL DEFAULT 0,
      touched_at double precision NOT NULL
    ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000,
      autovacuum_vacuum_cost_delay = 0)`,

    // place: 0 to 9 in line, the highest priority first; 10 delayed, 11 leased, 12 dead. A value of more than 2 kB is
    // kept beside the row, and a lease does not copy it.
    `CREATE TABLE ~.messages (
      queue bigint NOT NULL,
      num bigint NOT NULL,
      sequence bigint NOT NULL,
      due_at double precision NOT NULL,
      enqueued_at double precision NOT NULL,
      attempts integer NOT NULL,
      max_attempts integer NOT NULL,
      place smallint NOT NULL,
      priority smallint NOT NULL,
      token text COLLATE "C" NOT NULL,
      id text COLLATE "C" NOT NULL,
      last_error text,
      value text NOT NULL,
      PRIMARY KEY (queue, num)
    ) WITH (fillfactor = 70, ${CLEANED_OFTEN})`,
    `CREATE INDEX messages_in_order ON ~.messages (queue, place, due_at, sequence)`,
    `CREATE SEQUENCE ~.deliveries CACHE 1`,

    // The ids that queues hold or remember, apart from the messages: they outlive them.
    `CREATE TABLE ~.ids (
      queue bigint NOT NULL,
      num bigint NOT NULL,
      forget_at double precision NOT NULL,
      sweep_at double precision NOT NULL,
      id text COLLATE "C" NOT NULL,
      PRIMARY KEY (queue, id)
    ) WITH (${CLEANED_OFTEN})`,
    `CREATE INDEX ids_by_sweep ON ~.ids (sweep_at)`,

    // Until when somebody listens in a namespace.
    `CREATE TABLE ~.listeners (
      namespace text COLLATE "C" PRIMARY KEY,
      until double precision NOT NULL
    ) WITH (fillfactor = 50)`,
  ],
}, {
  readableBy: 2,
  statements: [
    // How often delayed messages have been put into the line of a queue, where they stand before others that came
    // sooner: whoever remembers where the line begins looks at all of it again when that has changed.
    `CREATE TABLE ~.promotions (
      queue bigint PRIMARY KEY,
      count bigint NOT NULL
    ) WITH (fillfactor = 50)`,
  ],
}, {
  readableBy: 2,
  statements: [
    // A prepared statement keeps its plan until the server has counted the rows anew, up to a minute; one from when
    // there were hardly any reads all of those that came in since: among 30,000 messages, a claim took 45 ms and a send
    // 40 times as long as it does with these rows, which are nobody's and always there.
    `INSERT INTO ~.messages
      (queue, num, sequence, due_at, enqueued_at, attempts, max_attempts, place, priority, token, id, value)
      SELECT -1 - n % 20, n, 0, 0, 0, 0, 1, n % 13, 0, '', n, repeat('-', 1500) FROM generate_series(1, 400) AS n`,
    `INSERT INTO ~.ids (queue, num, forget_at, sweep_at, id)
      SELECT -1 - n % 20, n, 'infinity', 'infinity', n FROM generate_series(1, 1000) AS n`,
    `INSERT INTO ~.records (key, version, value) SELECT n, '', repeat('-', 1500) FROM generate_series(1, 400) AS n`,
    // Else the first count of the rows might come without a look at what is in them.
    `ANALYZE ~.messages, ~.ids, ~.records`,
  ],
}];

/**
 * Makes sure that the schema has the newest format. Whoever comes first does it under a lock; the others wait for that.
 *
 * @throws {SchemaNewerError} When it was written by a newer version that this one cannot work beside.
 * @throws {BackendCorruptError} When the schema holds something else.
 */
export async function prepareSchema(driver: Driver, schema: string, name: string): Promise<void> {
  if (await hasSchema(driver, schema, name)) return;
  await driver.transaction(async (session) => {
    await session.query("SELECT pg_advisory_xact_lock($1::int, hashtext($2::text))", [LOCK_CLASS, schema]);
    // Looked at again under the lock: another process may have been faster.
    const version = await versionOf(session, schema, name);
    if (version >= MIGRATIONS.length) return;
    const quoted = identifier(schema);
    if (version === 0) {
      const [row] = await session.query("SELECT 1 AS there FROM pg_namespace WHERE nspname = $1::text", [schema]);
      if (!row) await session.query(`CREATE SCHEMA ${quoted}`);
      await session.query(`CREATE TABLE ${quoted}.format (version integer NOT NULL, readable_by integer NOT NULL)`);
      await session.query(`INSERT INTO ${quoted}.format VALUES (0, 0)`);
    }
    for (const [index, { readableBy, statements }] of [...MIGRATIONS.entries()].slice(version)) {
      // The version first: whoever else does the same without the lock waits here for what becomes of this one.
      await session.query(`UPDATE ${quoted}.format SET version = $1::int, readable_by = $2::int`, [
        index + 1,
        readableBy,
      ]);
      for (const statement of statements) await session.query(statement.replaceAll("~", quoted));
    }
  });
}

/** Whether the schema is there, in the newest format or one that this version can work beside. */
export async function hasSchema(session: Session, schema: string, name: string): Promise<boolean> {
  return await versionOf(session, schema, name) >= MIGRATIONS.length;
}

/** The version of the format, 0 where there is none. */
async function versionOf(session: Session, schema: string, name: string): Promise<number> {
  const table = `${identifier(schema)}.format`;
  // Not to_regclass(): within a transaction that waited for the lock, it still says what was so before.
  const [there] = await session.query(FIND_TABLE, [schema]);
  if (!there) return 0;
  let row;
  try {
    [row] = await session.query(`SELECT version, readable_by FROM ${table}`);
  } catch (cause) {
    throw new BackendCorruptError(`Cannot open the backend "${name}": the schema ${schema} is another's`, { cause });
  }
  if (!row) {
    throw new BackendCorruptError(`Cannot open the backend "${name}": the schema ${schema} has lost its version`);
  }
  const version = Number(row.version);
  if (Number(row.readable_by) > MIGRATIONS.length) throw new SchemaNewerError(name, version, MIGRATIONS.length);
  return version;
}
