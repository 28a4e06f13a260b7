/** The server's plans: made once, and good for tables that have grown since. @module */

import { assert, assertEquals } from "@std/assert";
import type postgres from "postgres";
import { PostgresBackend } from "../../backends/postgres.ts";
import { connect, postgresPrograms, PostgresServer } from "../servers/postgres.ts";
import { until } from "../until.ts";

const QUEUE = ["work"];
const SCHEMA = "plans";
const FEW = 20;
const MANY = 2000;
const ROUNDS = 20;
const BOUNDS = { priority: 5, maxAttempts: 3, dedupeMs: 600_000, capacity: 100_000 };

const ignore = postgresPrograms === null; // no server here

async function send(backend: PostgresBackend, ids: readonly string[]): Promise<void> {
  const enqueue = (id: string) => ({ type: "enqueue", queue: QUEUE, id, value: id, ...BOUNDS } as const);
  const set = (id: string) => ({ type: "set", key: ["record", id], value: id } as const);
  await Promise.all(ids.map((id) => backend.commit({ operations: [enqueue(id)] })));
  await Promise.all(ids.map((id) => backend.commit({ operations: [set(id)] })));
}

/** Serves one message: its record is read, and goes with it. */
async function serve(backend: PostgresBackend): Promise<void> {
  const [held] = await backend.claim(QUEUE, { leaseMs: 60_000 });
  assert(held);
  const { queue, id, token } = held;
  const key = ["record", id];
  const [entry] = await backend.get([key]);
  assertEquals(entry?.value, id);
  assert((await backend.commit({ operations: [{ type: "ack", queue, id, token }] })).committed);
  assert((await backend.commit({ operations: [{ type: "delete", key }] })).committed);
}

/** How many rows and index entries have been read, by processes that have ended: they have told all. */
async function rowsRead(sql: postgres.Sql): Promise<number> {
  await until("the others have ended", async () => {
    const others = await sql`SELECT 1 FROM pg_stat_activity WHERE application_name = 'agent-coordination'`;
    return others.length === 0;
  });
  const [row] = await sql`
    SELECT (SELECT sum(seq_tup_read) FROM pg_stat_user_tables WHERE schemaname = ${SCHEMA}) +
      (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes WHERE schemaname = ${SCHEMA}) AS read`;
  return Number(row?.read);
}

for (const care of ["VACUUM", "VACUUM ANALYZE"]) {
  Deno.test({
    name: `PostgresBackend reads no more of tables that have grown since its statements were planned, after ${care}`,
    ignore,
    fn: async () => {
      await using server = await PostgresServer.start({ autovacuum: "off" });
      const sql = connect(server);
      const open = () => new PostgresBackend({ url: server.url, schema: SCHEMA, maxConnections: 1 });
      const first = open();
      await send(first, ["a"]);
      await serve(first);
      await first.close();
      for (const table of ["messages", "ids", "records", "queues"]) await sql.unsafe(`${care} ${SCHEMA}.${table}`);

      const backend = open();
      for (let n = 0; n < FEW; n++) {
        await send(backend, [`few ${n}`]);
        await serve(backend);
      }
      await send(backend, Array.from({ length: MANY }, (_, n) => `many ${n}`));
      for (let n = 0; n < ROUNDS; n++) await serve(backend);
      await backend.close();
      const read = await rowsRead(sql);
      await sql.end();
      // Some entries for each of them, and not all of them for each.
      assert(read < 10 * MANY, `${read} rows were read for ${MANY} messages and records`);
    },
  });
}

Deno.test({
  name: "PostgresBackend has single sends and acknowledgements planned a few times, and then no more",
  ignore,
  fn: async () => {
    await using server = await PostgresServer.start();
    const other = new PostgresBackend({ url: server.url, schema: SCHEMA, maxConnections: 1 });
    await send(other, Array.from({ length: MANY }, (_, n) => `many ${n}`));
    await other.close();
    const sql = connect(server);
    const backend = new PostgresBackend({ client: sql, schema: SCHEMA });
    for (let n = 0; n < FEW; n++) {
      await send(backend, [`${n}`]);
      await serve(backend);
    }
    const planned = await sql`
      SELECT custom_plans AS times FROM pg_prepared_statements
      WHERE statement LIKE '%acknowledged AS%' AND statement NOT LIKE '%pg_prepared_statements%'`;
    assertEquals(planned.map(({ times }) => Number(times)), [5]);
    await backend.close();
    await sql.end();
  },
});
