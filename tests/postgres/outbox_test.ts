/** What is done in the caller's own transaction happens with it, or not at all. @module */

import { assert, assertEquals, assertRejects } from "@std/assert";
import postgres from "postgres";
import { PostgresBackend } from "../../backends/postgres.ts";
import { BackendUnavailableError } from "../../src/errors.ts";
import type { Operation } from "../../src/storage/backend.ts";
import { MessageCoordinator } from "../../src/messages/coordinator.ts";
import { until } from "../until.ts";
import { connect, freshSchema, postgresPrograms, PostgresServer } from "../servers/postgres.ts";

const SHOP = { type: "shop" };
const PACKER = { type: "packer" };

Deno.test({
  name: "inTransaction() sends and acknowledges with the caller's own rows, or does neither",
  ignore: postgresPrograms === null, // no server here
  fn: async (test) => {
    await using server = await PostgresServer.start();
    await using backend = freshSchema(server)();
    const coordinator = new MessageCoordinator(backend);
    const sql = connect(server, 2);
    try {
      await sql`CREATE TABLE orders (id int PRIMARY KEY)`;
      const orders = async () => (await sql`SELECT id FROM orders ORDER BY id`).map(({ id }) => id);

      await test.step("commits both", async () => {
        await sql.begin(async (transaction) => {
          await transaction`INSERT INTO orders VALUES (1)`;
          const inside = new MessageCoordinator(backend.inTransaction(transaction));
          await inside.sendMessage(SHOP, PACKER, { payload: { id: 1 } });
          assertEquals(await coordinator.receive(PACKER), null);
        });
        assertEquals(await orders(), [1]);
        const received = await coordinator.receive(PACKER);
        assertEquals(received?.message.payload, { id: 1 });
        assert(await received?.ack());
      });

      await test.step("rolls both back", async () => {
        await assertRejects(() =>
          sql.begin(async (transaction) => {
            await transaction`INSERT INTO orders VALUES (2)`;
            const inside = new MessageCoordinator(backend.inTransaction(transaction));
            await inside.sendMessage(SHOP, PACKER, { payload: { id: 2 } });
            throw new Error("no");
          })
        );
        assertEquals(await orders(), [1]);
        assertEquals(await coordinator.receive(PACKER), null);
      });

      await test.step("acknowledges with the effects of the work", async () => {
        const queue = ["work"];
        const operation = { type: "enqueue", queue, id: "a", value: 1, priority: 5 } as const;
        const bounds = { maxAttempts: 3, dedupeMs: 60_000, capacity: 10 };
        await backend.commit({ operations: [{ ...operation, ...bounds }] });
        const [held] = await backend.claim(queue, { leaseMs: 60_000 });
        assert(held);
        const { id, token } = held;
        const acknowledge = (work: () => Promise<void>) =>
          sql.begin(async (transaction) => {
            await transaction`INSERT INTO orders VALUES (3)`;
            const result = await backend.inTransaction(transaction).commit({
              operations: [{ type: "ack", queue, id, token }],
            });
            assert(result.committed);
            await work();
          });
        await assertRejects(() => acknowledge(() => Promise.reject(new Error("the process died"))));
        assertEquals((await backend.stats(queue)).leased, 1);
        await acknowledge(() => Promise.resolve());
        assertEquals((await backend.stats(queue)).leased, 0);
        assertEquals(await orders(), [1, 3]);
      });

      await test.step("leaves the transaction usable when a batch is refused", async () => {
        await sql.begin(async (transaction) => {
          const inside = backend.inTransaction(transaction);
          const checks = [{ key: ["key"], version: "other" }];
          assertEquals(await inside.commit({ checks, operations: [] }), {
            committed: false,
            reason: "conflict",
            index: 0,
          });
          await transaction`INSERT INTO orders VALUES (4)`;
        });
        assertEquals(await orders(), [1, 3, 4]);
      });

      await test.step("keeps others from its queue, and they are told in time that nothing has happened", async () => {
        const queue = ["held"];
        const bounds = { priority: 5, maxAttempts: 3, dedupeMs: 60_000, capacity: 10 };
        const enqueue = (id: string) => ({
          operations: [{ type: "enqueue", queue, id, value: id, ...bounds } as const],
        });
        await sql.begin(async (transaction) => {
          await backend.inTransaction(transaction).commit(enqueue("inside"));
          await assertRejects(() => backend.commit(enqueue("outside")), BackendUnavailableError);
        });
        const held = await backend.claim(queue, { leaseMs: 60_000, limit: 10 });
        assertEquals(held.map(({ id }) => id), ["inside"]);
      });

      await test.step("keeps nobody from other queues and records, and those who wait for its own come in their order", async () => {
        await using patient = new PostgresBackend({
          url: server.url,
          schema: "patient",
          maxConnections: 3,
          commandTimeoutMs: 30_000,
        });
        const bounds = { priority: 5, maxAttempts: 3, dedupeMs: 60_000, capacity: 10 };
        const send = (
          queue: string,
          id: string,
        ) => ({ type: "enqueue", queue: [queue], id, value: id, ...bounds } as const);
        const set = (key: string) => ({ type: "set", key: [key, "x"], value: key, tracked: true } as const);
        await patient.commit({ operations: [send("held", "first")] });
        let waiting = 0;
        const wait = async (...operations: Operation[]) => {
          waiting++;
          assert((await patient.commit({ operations })).committed);
          waiting--;
        };
        let waited: Promise<void>[] = [];
        await sql.begin(async (transaction) => {
          const inside = patient.inTransaction(transaction);
          await inside.commit({ operations: [send("held", "inside"), set("held"), send("kept", "a")] });
          waited = ["a", "b"].map((id) => wait(send("held", id)));
          waited.push(wait(send("kept", "b")));
          const checks = [{ key: ["held", "new"], version: null }];
          waited.push(patient.commit({ checks, operations: [set("held")] }).then((result) => assert(result.committed)));
          for (const other of ["c", "d"]) {
            await patient.commit({ operations: [send(other, other)] });
            waited.push(wait(send("held", other), send("third", other)), wait(set("held")));
            await Promise.all([send(other, "more"), set(other)].map((each) => patient.commit({ operations: [each] })));
          }
          assertEquals(waiting, 7);
        });
        await Promise.all(waited);
        const held = await patient.claim(["held"], { leaseMs: 60_000, limit: 10 });
        assertEquals(held.map(({ id }) => id), ["first", "inside", "a", "b", "c", "d"]);
        assertEquals((await patient.stats(["kept"])).ready, 2);
        await patient.commit({ operations: [send("held", "last")] });
      });

      await test.step("tells a transaction that is too isolated to see its queue, and sends when that is done anew", async () => {
        const queue = ["unseen"];
        const bounds = { priority: 5, maxAttempts: 3, dedupeMs: 60_000, capacity: 10 };
        const send = () =>
          sql.begin("ISOLATION LEVEL REPEATABLE READ", async (transaction) => {
            await transaction`SELECT count(*) FROM orders`;
            const operation = { type: "enqueue", queue, id: "a", value: 1, ...bounds } as const;
            await backend.inTransaction(transaction).commit({ operations: [operation] });
          });
        await assertRejects(send, BackendUnavailableError, "does not see the queue");
        await send();
        assertEquals((await backend.stats(queue)).ready, 1);
      });

      await test.step("needs no other connection for a queue that is there", async () => {
        const queue = ["known"];
        const bounds = { priority: 5, maxAttempts: 3, dedupeMs: 60_000, capacity: 10 };
        const enqueue = (id: string) => ({
          operations: [{ type: "enqueue", queue, id, value: id, ...bounds } as const],
        });
        await using first = new PostgresBackend({ url: server.url, schema: "single" });
        await first.commit(enqueue("first"));
        const client = connect(server);
        const own = new PostgresBackend({ client, schema: "single" });
        await client.begin(async (transaction) => {
          assert((await own.inTransaction(transaction).commit(enqueue("inside"))).committed);
        });
        assertEquals((await first.stats(queue)).ready, 2);
        await own.close();
        await client.end();
      });

      await test.step("makes what is missing in the transaction where there is no other connection", async () => {
        const queue = ["new"];
        const bounds = { priority: 5, maxAttempts: 3, dedupeMs: 60_000, capacity: 10 };
        const operations = [{ type: "enqueue", queue, id: "inside", value: 1, ...bounds } as const];
        const client = connect(server);
        const own = new PostgresBackend({ client, schema: "alone" });
        const send = (fails: boolean) =>
          client.begin(async (transaction) => {
            assert((await own.inTransaction(transaction).commit({ operations })).committed);
            if (fails) throw new Error("no");
          });
        await assertRejects(() => send(true), Error, "no");
        await send(false);
        assertEquals((await own.stats(queue)).ready, 1);

        await using beside = new PostgresBackend({ url: server.url, schema: "alone", commandTimeoutMs: 30_000 });
        const newer = operations.map((operation) => ({ ...operation, queue: ["newer"] }));
        let waited: Promise<unknown> = Promise.resolve();
        await client.begin(async (transaction) => {
          assert((await own.inTransaction(transaction).commit({ operations: newer })).committed);
          waited = beside.commit({ operations: newer.map((operation) => ({ ...operation, id: "outside" })) });
          await beside.commit({ operations: newer.map((operation) => ({ ...operation, queue: ["another"] })) });
        });
        await waited;
        assertEquals((await beside.stats(["newer"])).ready, 2);
        await own.close();
        await client.end();
      });

      await test.step("cleans up beside the transaction, and not in it", async () => {
        const rows = await sql`SELECT table_schema AS schema FROM information_schema.tables WHERE table_name = 'ids'`;
        const ids = sql(`${rows[0]?.schema}.ids`);
        await sql`INSERT INTO ${ids} (queue, num, forget_at, sweep_at, id) VALUES (0, 0, 0, 0, 'over')`;
        const texts: string[] = [];
        await sql.begin(async (transaction) => {
          const inside = backend.inTransaction({
            unsafe: (text, parameters, options) => {
              texts.push(text);
              return transaction.unsafe(text, parameters, options);
            },
            savepoint: (work) => transaction.savepoint((inner) => work(inner)),
          });
          const bounds = { priority: 5, maxAttempts: 3, dedupeMs: 60_000, capacity: 10_000 };
          for (let batch = 0; batch < 10; batch++) {
            const operations = Array.from({ length: 100 }, (_, index) => {
              return { type: "enqueue", queue: ["many"], id: `${batch}-${index}`, value: 1, ...bounds } as const;
            });
            assert((await inside.commit({ operations })).committed);
          }
        });
        await until("what is over has been taken away", async () => {
          return (await sql`SELECT 1 FROM ${ids} WHERE queue = 0`).length === 0;
        });
        assertEquals(texts.filter((text) => text.includes("sweep_at")), []);
      });

      await test.step("refuses to listen", async () => {
        await sql.begin(async (transaction) => {
          const listening = backend.inTransaction(transaction).listen(["topic"], () => {});
          await assertRejects(() => listening, TypeError, "Cannot listen in a transaction");
        });
      });

      await test.step("says that it may not make its schema", async () => {
        await sql`CREATE ROLE tenant LOGIN`;
        const tenant = postgres(server.url, { user: "tenant", max: 2, onnotice: () => {}, max_lifetime: null });
        await using own = new PostgresBackend({ client: tenant, schema: "tenant" });
        const queue = ["work"];
        const bounds = { priority: 5, maxAttempts: 3, dedupeMs: 60_000, capacity: 10 };
        const operations = [{ type: "enqueue", queue, id: "a", value: 1, ...bounds }] as const;
        const sending = tenant.begin((transaction) => own.inTransaction(transaction).commit({ operations }));
        await assertRejects(() => sending, Error, "permission denied");
        await tenant.end();
      });

      await test.step("wakes a listener once the transaction has committed", async () => {
        const woken = Promise.withResolvers<void>();
        const unlisten = await backend.listen(["topic"], woken.resolve);
        await sql.begin(async (transaction) => {
          await backend.inTransaction(transaction).commit({ operations: [], notify: [["topic"]] });
        });
        await woken.promise;
        await unlisten();
      });
    } finally {
      await sql.end();
    }
  },
});
