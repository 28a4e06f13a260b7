/** The PostgreSQL backend on PGlite, in this process. @module */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { PGlite } from "@electric-sql/pglite";
import { PostgresBackend } from "../../backends/postgres.ts";

const QUEUE = ["work"];
const BOUNDS = { priority: 5, maxAttempts: 3, dedupeMs: 60_000, capacity: 10 };

Deno.test({
  name: "PGlite carries records, queues, wake-ups and the caller's own transactions",
  sanitizeOps: false, // PGlite sets timers of its own, which it does not end
  fn: async () => {
    const client = await PGlite.create();
    try {
      await using backend = new PostgresBackend({ client });
      const send = (to: PostgresBackend, id: string) =>
        to.commit({ operations: [{ type: "enqueue", queue: QUEUE, id, value: { id }, ...BOUNDS }] });

      const woken = Promise.withResolvers<void>();
      const unlisten = await backend.listen(QUEUE, woken.resolve);
      const ids = ["a", "\ufeffb", "\0c"];
      await Promise.all(ids.map((id) => send(backend, id)));
      await woken.promise;
      await unlisten();
      const held = await backend.claim(QUEUE, { leaseMs: 60_000, limit: 10 });
      assertEquals(held.map(({ id }) => id), ids);

      await client.query("CREATE TABLE orders (id int)");
      await assertRejects(() =>
        client.transaction(async (transaction) => {
          await transaction.query("INSERT INTO orders VALUES (1)");
          assert((await send(backend.inTransaction(transaction), "rolled back")).committed);
          throw new Error("no");
        })
      );
      await client.transaction(async (transaction) => {
        await transaction.query("INSERT INTO orders VALUES (2)");
        const operations = held.map(({ queue, id, token }) => ({ type: "ack", queue, id, token } as const));
        assert((await backend.inTransaction(transaction).commit({ operations })).committed);
      });
      assertEquals((await client.query("SELECT id FROM orders")).rows, [{ id: 2 }]);
      assertEquals(await backend.stats(QUEUE), { ready: 0, delayed: 0, leased: 0, dead: 0, nextDueInMs: null });
    } finally {
      await client.close();
    }
  },
});
