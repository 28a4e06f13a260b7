/** Calls of one turn go together in one transaction, and each keeps its own result. @module */

import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { SqliteBackend, type SqliteDatabase } from "../../backends/sqlite.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { message, QUEUE } from "./files.ts";

Deno.test("commits and claims of one turn are one transaction, with commits before claims", async () => {
  const counted = count(new DatabaseSync(":memory:"));
  const backend = new SqliteBackend({ database: counted.database, clock: new ManualClock() });
  await backend.get([["key"]]);
  const claims = [1, 2, 3].map((limit) => backend.claim(QUEUE, { leaseMs: 1000, limit }));
  const commits = Array.from({ length: 25 }, (_, index) => backend.commit({ operations: [message(`m${index}`)] }));
  assert((await Promise.all(commits)).every(({ committed }) => committed));
  assertEquals((await Promise.all(claims)).map((some) => some.map(({ id }) => id)), [["m0"], ["m1", "m2"], [
    "m3",
    "m4",
    "m5",
  ]]);
  assertEquals(counted.ran("BEGIN IMMEDIATE"), 1);
  assertEquals(await backend.stats(QUEUE), { ready: 19, delayed: 0, leased: 6, dead: 0, nextDueInMs: 1000 });
  await backend.close();
  counted.close();
});

Deno.test("claims of one turn for different times keep their own", async () => {
  const clock = new ManualClock();
  await using backend = new SqliteBackend({ path: ":memory:", clock });
  await backend.commit({ operations: [message("a"), message("b"), message("c")] });
  const claims = await Promise.all([100, 200, 100].map((leaseMs) => backend.claim(QUEUE, { leaseMs })));
  const ends = claims.map(([delivery]) => (delivery?.leaseExpiresAtMs ?? 0) - clock.now());
  assertEquals(ends, [100, 200, 100]);
  assertEquals(new Set(claims.flat().map(({ token }) => token)).size, 3);
});

Deno.test("duplicates among many sends of one turn are told apart, and counted once", async () => {
  await using backend = new SqliteBackend({ path: ":memory:" });
  await backend.commit({ operations: [message("m3")] });
  const ids = Array.from({ length: 40 }, (_, index) => `m${index % 7}`);
  for (const dedupeMs of [3_600_000, 0]) {
    const queue = ["queue", String(dedupeMs)];
    await backend.commit({ operations: [message("m3", { queue, dedupeMs })] });
    const outcomes = await Promise.all(
      ids.map((id) => backend.commit({ operations: [message(id, { queue, dedupeMs })] })),
    );
    const duplicates = outcomes.map((outcome) =>
      outcome.committed && outcome.results[0]?.type === "enqueue" && outcome.results[0].duplicate
    );
    assertEquals(duplicates, ids.map((id, index) => id === "m3" || ids.indexOf(id) < index));
    assertEquals((await backend.stats(queue)).ready, 7);
    const delivered = (await backend.claim(queue, { leaseMs: 1000, limit: 100 })).map(({ id }) => id);
    assertEquals(delivered, ["m3", ...new Set(ids.filter((id) => id !== "m3"))]);
  }
});

Deno.test("an id whose message went under a number that was given again is no duplicate of the other", async () => {
  const clock = new ManualClock();
  await using backend = new SqliteBackend({ path: ":memory:", clock });
  // The number of a message that is gone is free for the next one.
  await backend.commit({ operations: [message("a", { dedupeMs: 1000 })] });
  await backend.commit({ operations: [{ type: "purge", queue: QUEUE, id: "a" }] });
  await backend.commit({ operations: [message("b")] });
  await clock.advance(1000);
  const again = await backend.commit({ operations: [message("a")] });
  assertEquals(again, { committed: true, results: [{ type: "enqueue", duplicate: false }] });
  assertEquals(await backend.commit({ operations: [{ type: "purge", queue: QUEUE, id: "a" }] }), {
    committed: true,
    results: [{ type: "purge", found: true }],
  });
  assertEquals((await backend.claim(QUEUE, { leaseMs: 1000, limit: 9 })).map(({ id }) => id), ["b"]);
});

Deno.test("a capacity is exact among sends of one turn, and duplicates are never refused", async () => {
  await using backend = new SqliteBackend({ path: ":memory:" });
  await backend.commit({ operations: [message("m0")] });
  const ids = ["m0", "m1", "m1", "m2", "m3", "m0", "m4"];
  const outcomes = await Promise.all(ids.map((id) => backend.commit({ operations: [message(id, { capacity: 3 })] })));
  const told = outcomes.map((outcome) =>
    outcome.committed
      ? outcome.results[0]?.type === "enqueue" && outcome.results[0].duplicate ? "duplicate" : "sent"
      : outcome.reason
  );
  assertEquals(told, ["duplicate", "sent", "duplicate", "sent", "full", "duplicate", "full"]);
});

Deno.test("ids and errors with NULs and their escapes come back as they were", async () => {
  await using backend = new SqliteBackend({ path: ":memory:" });
  const ids = ["\0", "\0\0", "a\0b", "a\x01b", "a\x010b", "\x01", "\x011", "a"];
  await backend.commit({ operations: ids.map((id) => message(id, { maxAttempts: 1 })) });
  const deliveries = await backend.claim(QUEUE, { leaseMs: 1000, limit: 100 });
  assertEquals(deliveries.map(({ id }) => id), ids);
  for (const { queue, id, token } of deliveries) {
    await backend.commit({ operations: [{ type: "bury", queue, id, token, error: `why\0${id}` }] });
  }
  const dead: string[][] = [];
  for await (const { id, lastError = "" } of backend.messages(QUEUE, "dead")) dead.push([id, lastError]);
  assertEquals(dead, ids.map((id) => [id, `why\0${id}`]));
});

/** A connection that counts how often each statement is run. */
function count(database: DatabaseSync) {
  const runs = new Map<string, number>();
  const counted: SqliteDatabase = {
    exec: (sql) => database.exec(sql),
    prepare: (sql) => {
      const statement = database.prepare(sql);
      return {
        run: (...values) => {
          runs.set(sql, (runs.get(sql) ?? 0) + 1);
          return statement.run(...values);
        },
        get: (...values) => statement.get(...values),
        all: (...values) => statement.all(...values),
      };
    },
    close: () => database.close(),
  };
  return { database: counted, ran: (sql: string) => runs.get(sql) ?? 0, close: () => database.close() };
}
