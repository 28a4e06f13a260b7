/** The backend works behind a proxy that gives the connection to somebody else after each transaction. @module */

import { assert, assertEquals } from "@std/assert";
import postgres from "postgres";
import { until } from "../until.ts";
import { PgBouncer, pgBouncerProgram } from "../servers/pgbouncer.ts";
import { freshSchema, postgresPrograms, PostgresServer } from "../servers/postgres.ts";

const QUEUE = ["work"];
const BOUNDS = { priority: 5, maxAttempts: 3, dedupeMs: 60_000, capacity: 10_000 };

Deno.test({
  name: "PostgresBackend works behind a proxy that pools transactions, and its listeners look by themselves",
  ignore: postgresPrograms === null || pgBouncerProgram === null, // no server or no proxy here
  fn: async () => {
    await using server = await PostgresServer.start();
    await using proxy = await PgBouncer.start(server.port);
    const open = freshSchema(proxy);
    const options = { prepare: false, commandTimeoutMs: 5000, maxConnections: 4 };
    await using receiver = open(options);
    await using sender = open(options);
    let wakes = 0;
    const unlisten = await receiver.listen(QUEUE, () => wakes++);
    const before = wakes;
    const ids = Array.from({ length: 200 }, (_, index) => `m${index}`);
    // Single sends, and batches that take a transaction of several statements.
    await Promise.all(ids.map((id, index) =>
      sender.commit({
        operations: [
          { type: "enqueue", queue: QUEUE, id, value: id, ...BOUNDS },
          ...(index % 2 === 0 ? [] : [{ type: "set", key: ["record", id], value: id } as const]),
        ],
      })
    ));
    await until("the listener is woken", () => wakes > before);
    assertEquals(await receiver.count(["record"]), 100);
    const held = [
      ...await receiver.claim(QUEUE, { leaseMs: 60_000, limit: 150 }),
      ...await sender.claim(QUEUE, { leaseMs: 60_000, limit: 150 }),
    ];
    assertEquals(held.map(({ id }) => id).sort(), ids.sort());
    const results = await Promise.all(
      held.map(({ queue, id, token }) => receiver.commit({ operations: [{ type: "ack", queue, id, token }] })),
    );
    assert(results.every(({ committed }) => committed));
    await unlisten();
  },
});

Deno.test({
  name: "PostgresBackend leaves no setting behind in a connection that others use after it",
  ignore: postgresPrograms === null || pgBouncerProgram === null, // no server or no proxy here
  fn: async () => {
    await using server = await PostgresServer.start();
    await using proxy = await PgBouncer.start(server.port);
    await using backend = freshSchema(proxy)({ prepare: false });
    const settings = async () => {
      const sql = postgres(proxy.url, { max: 3, prepare: false, fetch_types: false, max_lifetime: null });
      const names = ["lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout"];
      const rows = await Promise.all(names.map((name) => sql`SELECT current_setting(${name}) AS value`));
      await sql.end();
      return rows.map(([row]) => row?.value);
    };
    const before = await settings();
    await backend.commit({ operations: [{ type: "enqueue", queue: QUEUE, id: "a", value: 1, ...BOUNDS }] });
    await backend.commit({ operations: [{ type: "set", key: ["key"], value: 1 }] });
    assertEquals(await settings(), before);
  },
});
