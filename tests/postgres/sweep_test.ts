/** The cleaning of the PostgreSQL backend waits for nobody. @module */

import { assert, assertEquals } from "@std/assert";
import { PostgresBackend } from "../../backends/postgres.ts";
import { statementsFor } from "../../backends/postgres/statements.ts";
import { connect, postgresPrograms, PostgresServer } from "../servers/postgres.ts";

const SCHEMA = "swept";
const PARENT = ["agents"];

Deno.test({
  name: "old deletions of a feed that somebody writes to are left for another time, and its readers miss nothing",
  ignore: postgresPrograms === null, // no server here
  fn: async () => {
    await using server = await PostgresServer.start({ lock_timeout: "5s" });
    await using backend = new PostgresBackend({ url: server.url, schema: SCHEMA });
    const sql = connect(server, 2);
    const deletions = sql(`${SCHEMA}.deletions`);
    const left = async () => Number((await sql`SELECT count(*) AS left FROM ${deletions}`)[0]?.left);
    const { sweepDeletions } = statementsFor(SCHEMA);

    await backend.commit({ operations: [{ type: "set", key: [...PARENT, "a"], value: 1, tracked: true }] });
    const { cursor } = await backend.changes(PARENT);
    await backend.commit({ operations: [{ type: "delete", key: [...PARENT, "a"] }] });
    await sql`UPDATE ${deletions} SET deleted_at = 0`;
    await sql.begin(async (transaction) => {
      await transaction`SELECT 1 FROM ${sql(`${SCHEMA}.feeds`)} FOR UPDATE`;
      await sql.unsafe(sweepDeletions, [100]);
      assertEquals(await left(), 1);
    });
    assertEquals((await backend.changes(PARENT, cursor)).deleted, [[...PARENT, "a"]]);
    await sql.unsafe(sweepDeletions, [100]);
    assertEquals(await left(), 0);
    assert((await backend.changes(PARENT, cursor)).reset);
    await sql.end();
  },
});
