/** However much is due, expired or deleted at once, no step does more than a bounded part of it, in its order. @module */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type postgres from "postgres";
import { PostgresBackend } from "../../backends/postgres.ts";
import { statementsFor } from "../../backends/postgres/statements.ts";
import type { Changes, Delivery } from "../../src/storage/backend.ts";
import { commitMany, idsOf, message, QUEUE, record } from "../../src/testing/steps.ts";
import { connect, postgresPrograms, PostgresServer } from "../servers/postgres.ts";

const SCHEMA = "settling";
const MESSAGES = 2500;
const HOUR_MS = 3_600_000;

/** What a test has: a backend, and a connection beside it. */
interface World {
  readonly backend: PostgresBackend;
  readonly sql: postgres.Sql;
}

function settlingTest(name: string, run: (world: World) => Promise<void>): void {
  const fn = async () => {
    await using server = await PostgresServer.start({ autovacuum: "off" });
    await using backend = new PostgresBackend({ url: server.url, schema: SCHEMA, commandTimeoutMs: 30_000 });
    const sql = connect(server, 2);
    try {
      await run({ backend, sql });
    } finally {
      await sql.end();
    }
  };
  Deno.test({ name, ignore: postgresPrograms === null, /* no server here */ fn });
}

/** The most messages of real queues that the same transaction has written last. */
async function mostTogether(sql: postgres.Sql): Promise<number> {
  const [row] = await sql`
    SELECT max(count) AS most FROM (
      SELECT count(*) FROM ${sql(`${SCHEMA}.messages`)} WHERE queue > 0 GROUP BY xmin::text
    ) AS transactions`;
  return Number(row?.most);
}

async function claimAll(backend: PostgresBackend, leaseMs = HOUR_MS): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const held = await backend.claim(QUEUE, { leaseMs, limit: 500 });
    if (held.length === 0) return ids;
    ids.push(...idsOf(held));
  }
}

settlingTest(
  "G8 bounded: much that is due is put into the line by bounded transactions, and what comes first of all is leased",
  async ({ backend, sql }) => {
    const messages = Array.from(
      { length: MESSAGES },
      (_, index) => message(`m${index}`, { delayMs: 1000 * index + 60_000, priority: index % 10 }),
    );
    await commitMany(backend, messages.toReversed());
    await sql`UPDATE ${sql(`${SCHEMA}.messages`)} SET due_at = due_at - ${HOUR_MS} WHERE queue > 0`;
    const expected = idsOf(messages.toSorted((a, b) => b.priority - a.priority));
    const [first, stats] = await Promise.all([backend.claim(QUEUE, { leaseMs: HOUR_MS }), backend.stats(QUEUE)]);
    assertEquals(idsOf(first), expected.slice(0, 1));
    assertEquals({ ...stats, ready: stats.ready + stats.leased, leased: 0, nextDueInMs: null }, {
      ready: MESSAGES,
      delayed: 0,
      leased: 0,
      dead: 0,
      nextDueInMs: null,
    });
    const most = await mostTogether(sql);
    assert(most <= 2000, `one transaction has written ${most} messages`);
    const rest = await claimAll(backend);
    const sorted = messages.toSorted((a, b) => b.priority - a.priority || (a.delayMs ?? 0) - (b.delayMs ?? 0));
    assertEquals([...idsOf(first), ...rest], idsOf(sorted));
  },
);

settlingTest(
  "G8 bounded: many leases are ended by bounded transactions, in the order of their ends, and each is counted",
  async ({ backend, sql }) => {
    const messages = Array.from({ length: MESSAGES }, (_, index) => message(`m${index}`, { maxAttempts: 2 }));
    await commitMany(backend, messages);
    const expire = async () => {
      // The later they were leased, the sooner they end.
      await sql`UPDATE ${sql(`${SCHEMA}.messages`)} SET due_at = 1e9 - num WHERE queue > 0 AND place = 11`;
    };
    const ids = await claimAll(backend);
    assertEquals(ids, idsOf(messages));
    // The server has counted no rows yet: each of them is found by the index all the same, and not by a look at all.
    const { promote, expire: end } = statementsFor(SCHEMA);
    for (const statement of [promote, end]) {
      const plan = await sql.unsafe(`EXPLAIN ${statement}`, [1, 0, MESSAGES]);
      assertMatch(plan.map((row) => Object.values(row)).join("\n"), /Index Cond: .*num = (due|expired)\w*\.num/);
    }
    await expire();
    assertEquals(await backend.recover(QUEUE), MESSAGES);
    const most = await mostTogether(sql);
    assert(most <= 2000, `one transaction has written ${most} messages`);
    assertEquals(await claimAll(backend), ids.toReversed());
    await expire();
    assertEquals(await backend.recover(), MESSAGES);
    assertEquals(await mostTogether(sql), most);
    const { ready, dead } = await backend.stats(QUEUE);
    assertEquals({ ready, dead }, { ready: 0, dead: MESSAGES });
    assertEquals(idsOf(await Array.fromAsync(backend.messages(QUEUE, "dead"))), ids.toReversed());
  },
);

settlingTest(
  "claim() of other queues waits for none that has something to settle, which is done once for all who wait for it",
  async ({ backend, sql }) => {
    const others = Array.from({ length: 5 }, (_, index) => [`${index}`]);
    await commitMany(backend, [message("due", { delayMs: 1 }), ...others.map((queue) => message("a", { queue }))]);
    let waiting: Promise<Delivery[]>[] = [];
    await sql.begin(async (transaction) => {
      await transaction`SELECT 1 FROM ${sql(`${SCHEMA}.queues`)} FOR UPDATE`;
      for (const queue of others) {
        waiting = [...waiting, backend.claim(QUEUE, { leaseMs: HOUR_MS })];
        assertEquals(idsOf(await backend.claim(queue, { leaseMs: HOUR_MS })), ["a"]);
      }
      const used = await sql`SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'`;
      assert(used.length <= 1);
    });
    assertEquals((await Promise.all(waiting)).flatMap(idsOf), ["due"]);
  },
);

settlingTest("no lease is counted in a queue that is taken away after it was looked at", async ({ backend, sql }) => {
  await commitMany(backend, [message("a")]);
  await backend.claim(QUEUE, { leaseMs: 1 });
  const queues = sql(`${SCHEMA}.queues`);
  const [row] = await sql`DELETE FROM ${queues} RETURNING num`;
  const expired = await sql.unsafe(statementsFor(SCHEMA).expire, [row?.num, 0, 10]);
  assertEquals(expired.map(({ moved }) => Number(moved)), [0]);
});

settlingTest(
  "G8 bounded: many deletions come in pages, and who reads them misses none that are cleaned away meanwhile",
  async ({ backend, sql }) => {
    const keys = Array.from({ length: 1200 }, (_, index) => ["agents", String(index).padStart(4, "0")]);
    await commitMany(backend, keys.map((key) => ({ ...record(key, 1), tracked: true })));
    const start = await follow(backend);
    await commitMany(backend, keys.map((key) => ({ type: "delete", key })));
    await commitMany(backend, [{ ...record(["agents", "last"], 1), tracked: true }]);
    const pages = await follow(backend, start.at(-1)?.cursor);
    for (const { deleted, entries } of pages) assert(deleted.length + entries.length <= 500);
    assertEquals(pages.flatMap(({ deleted }) => deleted), keys);
    assertEquals(pages.at(-1)?.entries.map(({ key }) => key), [["agents", "last"]]);

    await sql`UPDATE ${sql(`${SCHEMA}.deletions`)} SET deleted_at = 0`;
    const { sweepDeletions } = statementsFor(SCHEMA);
    const unsafe: typeof sql.unsafe = (text, ...rest) => {
      const cleaned = text.includes("deletions") ? sql.unsafe(sweepDeletions, [2000]) : Promise.resolve();
      return Object.assign(cleaned.then(() => sql.unsafe(text, ...rest)));
    };
    await using other = new PostgresBackend({ client: Object.assign(Object.create(sql), { unsafe }), schema: SCHEMA });
    const page = await other.changes(["agents"], start.at(-1)?.cursor);
    assert(page.reset || page.deleted.length > 0);
  },
);

/** All that has changed below `agents` since a cursor. */
async function follow(backend: PostgresBackend, after?: string): Promise<Changes[]> {
  const pages: Changes[] = [];
  do pages.push(await backend.changes(["agents"], pages.at(-1)?.cursor ?? after)); while (pages.at(-1)?.more);
  return pages;
}
