/** A transaction that is left open keeps the server from cleaning up, and the backend from nothing. @module */

import { assert, assertEquals } from "@std/assert";
import type postgres from "postgres";
import type { PostgresBackend } from "../../backends/postgres.ts";
import { until } from "../until.ts";
import { connect, freshSchema, postgresPrograms, PostgresServer } from "../servers/postgres.ts";

const QUEUE = ["work"];
const DEAD = 5000;
const BATCH = 1000;
const STEPS = 100;

const BOUNDS = { priority: 5, maxAttempts: 3, dedupeMs: 0, capacity: 100_000 };

async function send(backend: PostgresBackend, ids: readonly string[]): Promise<void> {
  const results = await Promise.all(
    ids.map((id) => backend.commit({ operations: [{ type: "enqueue", queue: QUEUE, id, value: id, ...BOUNDS }] })),
  );
  assert(results.every(({ committed }) => committed));
}

/** Serves as many messages as there are, up to a limit, and gives their ids. */
async function serve(backend: PostgresBackend, limit: number): Promise<string[]> {
  const held = await backend.claim(QUEUE, { leaseMs: 60_000, limit });
  const results = await Promise.all(
    held.map(({ queue, id, token }) => backend.commit({ operations: [{ type: "ack", queue, id, token }] })),
  );
  assert(results.every(({ committed }) => committed));
  return held.map(({ id }) => id);
}

/** How many entries of the index by which the line is in order have been read; a process that ends has told all. */
async function entriesRead(sql: postgres.Sql): Promise<number> {
  const [row] = await sql`
    SELECT idx_tup_read AS read FROM pg_stat_user_indexes WHERE indexrelname = 'messages_in_order'`;
  return Number(row?.read);
}

Deno.test({
  name: "claim() does not look again and again at what was served while an old transaction is open",
  ignore: postgresPrograms === null, // no server here
  fn: async () => {
    await using server = await PostgresServer.start({ autovacuum: "off" });
    const open = freshSchema(server);
    const sql = connect(server, 2);
    const backend = open();
    await send(backend, ["first"]);
    const release = Promise.withResolvers<void>();
    const isOpen = Promise.withResolvers<void>();
    const transaction = sql.begin("ISOLATION LEVEL REPEATABLE READ", async (tx) => {
      await tx`SELECT txid_current()`;
      isOpen.resolve();
      await release.promise;
    });
    await isOpen.promise;
    for (let sent = 0; sent < DEAD; sent += BATCH) {
      await send(backend, Array.from({ length: BATCH }, (_, index) => `m${sent + index}`));
      while ((await serve(backend, BATCH)).length > 0);
    }
    await send(backend, Array.from({ length: STEPS }, (_, index) => `last ${index}`));
    await backend.close();
    const before = await entriesRead(sql);
    const other = open();
    for (let step = 0; step < STEPS; step++) assertEquals(await serve(other, 1), [`last ${step}`]);
    await other.close();
    let read = 0;
    await until("the server has counted", async () => (read = await entriesRead(sql) - before) >= STEPS);
    release.resolve();
    await transaction;
    await sql.end();
    // A look at everything twice a second is meant to be.
    assert(read < STEPS * DEAD / 2, `${STEPS} claims read ${read} entries, among ${DEAD} that are dead`);
  },
});

Deno.test({
  name: "claim() gives a delayed message before those that came when it was due, whoever has put it into the line",
  ignore: postgresPrograms === null, // no server here
  fn: async () => {
    await using server = await PostgresServer.start();
    const open = freshSchema(server);
    await using first = open();
    await using second = open();
    const delayed = { type: "enqueue", queue: QUEUE, id: "delayed", value: 1, delayMs: 200, ...BOUNDS } as const;
    await first.commit({ operations: [delayed] });
    await send(first, ["a", "b"]);
    assertEquals(await serve(first, 1), ["a"]);
    await until("it is due", async () => (await second.stats(QUEUE)).delayed === 0);
    await send(first, ["c"]);
    assertEquals(await serve(first, 1), ["b"]);
    assertEquals(await serve(first, 10), ["delayed", "c"]);
  },
});
