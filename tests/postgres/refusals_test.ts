/** A PostgreSQL server that lets one in by password only: told at once, by a clear error, with no secret in it. @module */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { PostgresBackend } from "../../backends/postgres.ts";
import { BackendUnavailableError } from "../../src/errors.ts";
import { calls, KEY, QUEUE } from "../calls.ts";
import { connect, postgresPrograms, PostgresServer } from "../servers/postgres.ts";

/** Makes a role that needs its password, as every role does from now on. */
async function requirePassword(server: PostgresServer, role: string, password: string): Promise<void> {
  const sql = connect(server);
  await sql.unsafe(`CREATE ROLE "${role}" LOGIN SUPERUSER PASSWORD '${password}'`);
  await Deno.writeTextFile(`${server.directory}/data/pg_hba.conf`, "host all all 127.0.0.1/32 scram-sha-256\n");
  await sql`SELECT pg_reload_conf()`;
  await sql.end();
}

Deno.test({
  name: "a wrong password is refused at once, in words that repeat neither it nor the user",
  ignore: postgresPrograms === null, // no server here
  fn: async () => {
    await using server = await PostgresServer.start();
    await requirePassword(server, "secret-user", "right-secret");
    const urlWith = (credentials: string) => server.url.replace("test@", credentials);
    for (const credentials of ["secret-user:wrong-secret@", "secret-nobody:wrong-secret@", "secret-user@"]) {
      await using backend = new PostgresBackend({ url: urlWith(credentials), commandTimeoutMs: 20_000 });
      for (const call of [...calls(backend), () => backend.listen(QUEUE, () => {})]) {
        const startedAt = performance.now();
        const error = await assertRejects(call, BackendUnavailableError, "password authentication failed");
        assert(performance.now() - startedAt < 10_000, "it did not wait for its time limit");
        assert(!`${Deno.inspect(error)} ${backend.name}`.includes("secret"), Deno.inspect(error));
      }
      const { healthy, error = "" } = await backend.ping();
      assertEquals(healthy, false);
      assertStringIncludes(error, "password authentication failed");
      assert(!error.includes("secret"), error);
    }
    await using backend = new PostgresBackend({ url: urlWith("secret-user:right-secret@") });
    assertEquals(await backend.get([KEY]), [null]);
  },
});
