/** Work goes on after what servers do to their clients, and nothing accepted is lost or doubled. @module */

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { PostgresBackend } from "../../backends/postgres.ts";
import { BackendUnavailableError } from "../../src/errors.ts";
import { MessageCoordinator } from "../../src/messages/coordinator.ts";
import type { AgentId } from "../../src/messages/model.ts";
import { serveAgent } from "../../src/messages/worker.ts";
import { until } from "../until.ts";
import { connect, freshSchema, postgresPrograms, PostgresServer } from "../servers/postgres.ts";

const QUEUE = ["work"];
const ignore = postgresPrograms === null; // no server here

/** Sends a message until that is certain; the id makes trying again safe. */
async function send(backend: PostgresBackend, id: string): Promise<void> {
  const bounds = { priority: 5, maxAttempts: 3, dedupeMs: 600_000, capacity: 100_000 };
  for (let tries = 0;; tries++) {
    try {
      const result = await backend.commit({
        operations: [{ type: "enqueue", queue: QUEUE, id, value: id, ...bounds }],
      });
      assert(result.committed);
      return;
    } catch (error) {
      if (tries > 50) throw error;
    }
  }
}

/** Sends a message until that is certain. */
async function sendUntil(coordinator: MessageCoordinator, agent: AgentId, n: number): Promise<void> {
  const messageId = `message ${n}`;
  await until("the message is sent", async () => {
    return (await coordinator.sendMessage({ type: "sender" }, agent, { messageId, payload: { n } })).delivered;
  });
}

async function drain(backend: PostgresBackend): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const held = await backend.claim(QUEUE, { leaseMs: 60_000, limit: 100 });
    if (held.length === 0) return ids;
    ids.push(...held.map(({ id }) => id));
    const result = await backend.commit({
      operations: held.map(({ queue, id, token }) => ({ type: "ack", queue, id, token })),
    });
    assert(result.committed);
  }
}

/** What is in line: a read, which is made again where a claim's outcome would be unknown. */
async function idsIn(backend: PostgresBackend): Promise<string[]> {
  return (await Array.fromAsync(backend.messages(QUEUE, "ready"))).map(({ id }) => id);
}

Deno.test({
  name: "commit() loses and doubles nothing while the server ends its connections again and again",
  ignore,
  fn: async () => {
    await using server = await PostgresServer.start();
    await using backend = freshSchema(server)({ commandTimeoutMs: 5000 });
    const sql = connect(server);
    const ids = Array.from({ length: 200 }, (_, index) => `m${index}`);
    for (let start = 0; start < ids.length; start += 20) {
      const sending = Promise.all(ids.slice(start, start + 20).map((id) => send(backend, id)));
      await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'agent-coordination'`;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20)); // somewhere in the middle, again
      await sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'agent-coordination'`;
      await sending;
    }
    await sql.end();
    assertEquals((await idsIn(backend)).sort(), ids.sort());
  },
});

Deno.test({
  name: "commit() loses and doubles nothing while the server is killed and started again",
  ignore,
  fn: async () => {
    await using server = await PostgresServer.start();
    await using backend = freshSchema(server)({ commandTimeoutMs: 2000 });
    const sent: string[] = [];
    for (let round = 0; round < 3; round++) {
      const ids = Array.from({ length: 50 }, (_, index) => `m${round}-${index}`);
      await send(backend, `first-${round}`);
      const sending = Promise.all(ids.map((id) => send(backend, id)));
      await server.kill();
      await server.restart();
      await sending;
      sent.push(`first-${round}`, ...ids);
    }
    assertEquals((await idsIn(backend)).sort(), sent.sort());
  },
});

Deno.test({
  name: "a call that is made anew as its connection is reset does not wait for an answer that nobody will give",
  ignore,
  fn: async () => {
    await using server = await PostgresServer.start();
    await using backend = freshSchema(server)({ maxConnections: 1, commandTimeoutMs: 60_000 });
    const commit = () => backend.commit({ operations: [{ type: "set", key: ["key"], value: 1 }] });
    for (let round = 0; round < 5; round++) {
      await commit();
      server.pause(); // what it has not read when it is killed makes a reset of the end of its connection
      let isDone = false;
      const calling = commit().catch(commit).catch(() => backend.get([["key"]])).then(() => isDone = true);
      await server.kill();
      await server.restart();
      await until("it has been made anew", () => isDone);
      await calling;
    }
  },
});

Deno.test({
  name: "receivers that wait are served again within 2 s of the server's return",
  ignore,
  fn: async () => {
    await using server = await PostgresServer.start();
    const open = freshSchema(server);
    await using backend = open();
    await using sender = open();
    const handled: unknown[] = [];
    const coordinator = new MessageCoordinator(backend);
    const agents = Array.from({ length: 3 }, (_, index) => ({ type: "waiting", instance: String(index) }));
    const servers = agents.map((agentId) =>
      serveAgent(coordinator, { agentId, process: ({ payload }) => void handled.push(payload.n) })
    );
    const sendAll = (n: number) =>
      Promise.all(agents.map((agent) => sendUntil(new MessageCoordinator(sender), agent, n)));
    const allHave = (n: number) => () => handled.filter((each) => each === n).length === agents.length;
    await sendAll(1);
    await until("all have been served", allHave(1));
    for (const round of [2, 3]) {
      await server.kill();
      await server.restart();
      await sendAll(round);
      await until("all are served again", allHave(round), 2000);
    }
    for (const each of servers) await each.stop();
  },
});

Deno.test({
  name: "listeners are told by the server again after its connections were let go of, because it did not answer",
  ignore,
  fn: async () => {
    await using server = await PostgresServer.start();
    await using backend = freshSchema(server)();
    const sql = connect(server);
    const listening = async () => {
      const rows = await sql`SELECT pid FROM pg_stat_activity WHERE query ILIKE 'listen%'`;
      return rows.map(({ pid }) => pid);
    };
    const unlisten = await backend.listen(["topic"], () => {});
    const [before] = await listening();
    server.pause();
    await assertRejects(() => backend.get([["key"]]), BackendUnavailableError);
    server.resume();
    await until("another connection listens", async () => {
      const [pid] = await listening();
      return pid !== undefined && pid !== before;
    });
    await unlisten();
    await sql.end();
  },
});

Deno.test({
  name: "close() ends while the server does not answer, though somebody listens",
  ignore,
  fn: async () => {
    await using server = await PostgresServer.start();
    const backend = freshSchema(server)({ commandTimeoutMs: 5000 });
    await backend.listen(["topic"], () => {});
    server.pause();
    const closing = backend.close();
    let isClosed = false;
    void closing.then(() => isClosed = true);
    await until("it is closed", () => isClosed);
    await closing;
    server.resume();
  },
});

Deno.test({
  name: "what another transaction holds is waited for in time, and no connection is let go of for that",
  ignore,
  fn: async () => {
    await using server = await PostgresServer.start();
    await using backend = freshSchema(server)({ commandTimeoutMs: 3000 });
    const sql = connect(server);
    const other = connect(server);
    const pids = async () => {
      const rows =
        await other`SELECT pid FROM pg_stat_activity WHERE application_name = 'agent-coordination' ORDER BY pid`;
      return rows.map(({ pid }) => pid);
    };
    const write = (id: string) =>
      backend.commit({
        operations: [
          { type: "enqueue", queue: QUEUE, id, value: 1, priority: 5, maxAttempts: 3, dedupeMs: 0, capacity: 10 },
          { type: "set", key: ["record", id], value: 1 },
        ],
      });
    await write("a");
    await sql.begin(async (transaction) => {
      const rows = await transaction`SELECT table_schema FROM information_schema.tables WHERE table_name = 'ids'`;
      for (const table of ["queues", "records"]) {
        await transaction`SELECT 1 FROM ${transaction(`${rows[0]?.table_schema}.${table}`)} FOR UPDATE`;
      }
      const before = await pids();
      await assertRejects(() => write("b"), BackendUnavailableError);
      await assertRejects(() => backend.clear(["record"]), BackendUnavailableError);
      const after = await pids();
      assertEquals(before.filter((pid) => !after.includes(pid)), []);
    });
    assertEquals(await backend.clear(["record"]), 1);
    assertEquals(await drain(backend), ["a"]);
    await sql.end();
    await other.end();
  },
});

Deno.test({
  name: "commit() waits for a connection while the server has none left, and goes on when it has",
  ignore,
  fn: async () => {
    await using server = await PostgresServer.start({ max_connections: "8", superuser_reserved_connections: "1" });
    const others = connect(server, 8);
    await Promise.allSettled(Array.from({ length: 8 }, () => others`SELECT pg_sleep(0.5)`));
    await using backend = freshSchema(server)({ commandTimeoutMs: 10_000 });
    const sending = send(backend, "a");
    await others.end();
    await sending;
    assertEquals(await drain(backend), ["a"]);
  },
});

Deno.test({
  name: "two backends that start at once on an empty database both work",
  ignore,
  fn: async () => {
    await using server = await PostgresServer.start();
    const open = freshSchema(server);
    const backends = Array.from({ length: 6 }, () => open({ commandTimeoutMs: 10_000 }));
    await Promise.all(backends.map((backend, index) => send(backend, `m${index}`)));
    const [first] = backends;
    assert(first);
    assertEquals((await drain(first)).length, 6);
    for (const backend of backends) await backend.close();
  },
});

Deno.test({
  name: "a schema that a newer version has written is refused, and left as it is, unless it says that this one may",
  ignore,
  fn: async () => {
    await using server = await PostgresServer.start();
    const open = freshSchema(server);
    const sql = connect(server);
    const first = open();
    await send(first, "a");
    await first.close();
    const [found] = await sql`SELECT table_schema FROM information_schema.tables WHERE table_name = 'ids'`;
    const table = sql(`${found?.table_schema}.format`);
    await sql`UPDATE ${table} SET version = 99`;
    const beside = open();
    assertEquals(await drain(beside), ["a"]);
    await beside.close();
    await sql`UPDATE ${table} SET readable_by = 99`;
    const refused = open();
    assertEquals(await refused.get([["key"]]).catch(({ code }) => code), "BACKEND_SCHEMA_NEWER");
    await refused.close();
    await sql.end();
  },
});
