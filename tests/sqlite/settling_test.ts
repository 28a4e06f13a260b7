/** However much has become due or expired, no transaction does more than a bounded part of it, in the order of the line. @module */

import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { SqliteBackend, type SqliteDatabase, type SqliteValue } from "../../backends/sqlite.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { commitMany, idsOf, message, QUEUE } from "../../src/testing/steps.ts";

const MESSAGES = 3500;
const HOUR_MS = 3_600_000;

/** A backend whose transactions are watched: the most rows that one of them has changed since it was asked last. */
function watched(clock: ManualClock) {
  const database = new DatabaseSync(":memory:");
  const changes = () => Number(Object.values(database.prepare("SELECT total_changes()").get() ?? {})[0]);
  let [before, most] = [0, 0];
  const watching: SqliteDatabase = {
    exec: (sql) => database.exec(sql),
    prepare: (sql) => {
      const statement = database.prepare(sql);
      return {
        run: (...values: SqliteValue[]) => {
          if (sql === "BEGIN IMMEDIATE") before = changes();
          if (sql === "COMMIT") most = Math.max(most, changes() - before);
          return statement.run(...values);
        },
        get: (...values) => statement.get(...values),
        all: (...values) => statement.all(...values),
      };
    },
    close: () => {},
  };
  const mostChanges = () => {
    const changed = most;
    most = 0;
    return changed;
  };
  return { backend: new SqliteBackend({ database: watching, clock }), mostChanges, close: () => database.close() };
}

/** Sends messages of all priorities, each due a millisecond after the one before, and gives their ids in the order of the line. */
async function sendDelayed(backend: SqliteBackend): Promise<string[]> {
  const messages = Array.from(
    { length: MESSAGES },
    (_, index) => message(`m${index}`, { delayMs: 1 + index, priority: index % 10 }),
  );
  await commitMany(backend, messages.toReversed());
  return idsOf(messages.toSorted((a, b) => b.priority - a.priority || (a.delayMs ?? 0) - (b.delayMs ?? 0)));
}

Deno.test("G8 bounded: claim() puts much that is due into the line by bounded transactions, and leases what comes first of all", async () => {
  const clock = new ManualClock();
  const { backend, mostChanges, close } = watched(clock);
  const ids = await sendDelayed(backend);
  await clock.advance(MESSAGES);
  mostChanges();
  const claims = await Promise.all([1, 2, 3].map((limit) => backend.claim(QUEUE, { leaseMs: HOUR_MS, limit })));
  assertEquals(claims.map((each) => idsOf(each)), [ids.slice(0, 1), ids.slice(1, 3), ids.slice(3, 6)]);
  const changed = mostChanges();
  assert(changed < 1100, `one transaction has changed ${changed} rows`);
  await backend.close();
  close();
});

Deno.test("G8 bounded: claim(), stats() and recover() end many leases by bounded transactions, in the order of their ends", async () => {
  const clock = new ManualClock();
  for (const settle of ["claim", "stats", "recover"] as const) {
    const { backend, mostChanges, close } = watched(clock);
    const messages = Array.from({ length: MESSAGES }, (_, index) => message(`m${index}`, { queue: [`${index % 7}`] }));
    await commitMany(backend, messages);
    const queues = Array.from({ length: 7 }, (_, index) => [`${index}`]);
    for (const queue of queues) await backend.claim(queue, { leaseMs: 1000, limit: 1000 });
    await clock.advance(1000);
    mostChanges();
    if (settle === "recover") assertEquals(await backend.recover(), MESSAGES);
    else if (settle === "stats") {
      const { ready, leased } = (await Promise.all(queues.map((queue) => backend.stats(queue))))[6] ?? {};
      assertEquals({ ready, leased }, { ready: 500, leased: 0 });
    }
    const claims = await Promise.all(queues.map((queue) => backend.claim(queue, { leaseMs: HOUR_MS, limit: 2 })));
    assertEquals(claims.map(idsOf), queues.map(([name]) => [`m${name}`, `m${Number(name) + 7}`]));
    const changed = mostChanges();
    assert(changed < 1100, `one transaction has changed ${changed} rows`);
    await backend.close();
    close();
  }
});
