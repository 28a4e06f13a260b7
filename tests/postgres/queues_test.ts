/** What the backend meets that others have left behind: queues made anew, damaged values, connections that are not as new. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { PostgresBackend } from "../../backends/postgres.ts";
import { BackendCorruptError } from "../../src/errors.ts";
import { connect, freshSchema, postgresPrograms, PostgresServer } from "../servers/postgres.ts";

const QUEUE = ["work"];
const BOUNDS = { priority: 5, maxAttempts: 3, dedupeMs: 0, capacity: 10 };

const send = (backend: PostgresBackend, id: string) =>
  backend.commit({ operations: [{ type: "enqueue", queue: QUEUE, id, value: id, ...BOUNDS }] });

async function idsOf(messages: AsyncIterable<{ readonly id: string }>): Promise<string[]> {
  return (await Array.fromAsync(messages)).map(({ id }) => id);
}

Deno.test({
  name: "PostgresBackend finds a queue that another process has taken away and made anew, at the first look",
  ignore: postgresPrograms === null, // no server here
  fn: async () => {
    await using server = await PostgresServer.start();
    const open = freshSchema(server);
    const sql = connect(server);
    const [found] = await (async () => {
      await using first = open();
      await send(first, "first");
      return await sql`SELECT table_schema AS schema FROM information_schema.tables WHERE table_name = 'queues'`;
    })();
    const looks: [name: string, look: (backend: PostgresBackend) => Promise<unknown>, expected: unknown][] = [
      ["claim", async (backend) => (await backend.claim(QUEUE, { leaseMs: 60_000 })).map(({ id }) => id), ["next"]],
      ["stats", async (backend) => (await backend.stats(QUEUE)).ready, 1],
      ["messages", (backend) => idsOf(backend.messages(QUEUE, "ready")), ["next"]],
    ];
    for (const [name, look, expected] of looks) {
      await using backend = open();
      await using other = open();
      await send(backend, "known"); // and so is its number
      for (const table of ["messages", "ids", "queues"]) await sql.unsafe(`DELETE FROM ${found?.schema}.${table}`);
      await send(other, "next");
      assertEquals(await look(backend), expected, name);
    }
    await sql.end();
  },
});

Deno.test({
  name: "PostgresBackend tells of a value that is damaged, whichever way it is read, and delivers the others",
  ignore: postgresPrograms === null, // no server here
  fn: async () => {
    await using server = await PostgresServer.start();
    await using backend = new PostgresBackend({ url: server.url, schema: "damaged" });
    const sql = connect(server);
    const key = ["agents", "a"];
    for (const id of ["damaged", "damaged too"]) await send(backend, id);
    await backend.commit({ operations: [{ type: "set", key, value: 1, tracked: true }] });
    for (const table of ["messages", "records"]) await sql.unsafe(`UPDATE damaged.${table} SET value = '{'`);
    await sql.end();
    const reads: (() => Promise<unknown>)[] = [
      () => backend.get([key]),
      () => Array.fromAsync(backend.list([])),
      () => backend.changes(["agents"]),
      () => Array.fromAsync(backend.messages(QUEUE, "ready")),
      () => backend.claim(QUEUE, { leaseMs: 60_000 }),
    ];
    for (const read of reads) await assertRejects(read, BackendCorruptError, "its value is damaged");
    await send(backend, "whole");
    const claimed = await backend.claim(QUEUE, { leaseMs: 60_000, limit: 9 });
    assertEquals(claimed.map(({ id }) => id), ["whole"]);
  },
});

Deno.test({
  name:
    "PostgresBackend does not take for nothing what a connection gives whose last query failed after its first rows",
  ignore: postgresPrograms === null, // no server here
  fn: async () => {
    await using server = await PostgresServer.start();
    const sql = connect(server);
    const backend = new PostgresBackend({ client: sql });
    const fail = () => assertRejects(async () => await sql`SELECT 1 / (3 - n) FROM generate_series(1, 5) AS n`);
    await send(backend, "a");
    await fail();
    assertEquals((await send(backend, "a")).committed, true);
    await fail();
    const [held] = await backend.claim(QUEUE, { leaseMs: 60_000 });
    assertEquals(held?.id, "a");
    await fail();
    const { token = "" } = held ?? {};
    const ack = { type: "ack", queue: QUEUE, id: "a", token } as const;
    assertEquals(await backend.commit({ operations: [ack] }), { committed: true, results: [{ type: "ack" }] });
    await backend.close();
    await sql.end();
  },
});
