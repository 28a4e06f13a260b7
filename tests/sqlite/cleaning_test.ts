/** What is needed no more is cleaned away in passing, by bounded work, and never what is needed still. @module */

import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { SqliteBackend } from "../../backends/sqlite.ts";
import type { Operation } from "../../src/storage/backend.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { message, QUEUE, withBackend } from "./files.ts";

const WINDOW_MS = 60_000;
const HOUR_MS = 3_600_000;

Deno.test("ids are forgotten after their window, in time with those that come", async () => {
  const clock = new ManualClock();
  await withBackend(async (backend, path) => {
    const count = counter(path, "ids");
    await sendAndHandle(backend, 0, 2000, WINDOW_MS);
    assertEquals(count(), 2000);
    await clock.advance(WINDOW_MS);
    for (let round = 1; round <= 20; round++) {
      await sendAndHandle(backend, round, 200, WINDOW_MS);
      await clock.advance(WINDOW_MS / 10);
    }
    // Of 6,000 ids, those of a window, and at most as many that wait to be cleaned away.
    assert(count() <= 2 * 2000 + 512, `there are ${count()}`);
    const again = await backend.commit({ operations: [message("m-20-0", { dedupeMs: WINDOW_MS })] });
    assertEquals(again, { committed: true, results: [{ type: "enqueue", duplicate: true }] });
  }, { clock });
});

Deno.test("the id of a message that outlives its window is kept while the hand goes round", async () => {
  const clock = new ManualClock();
  await withBackend(async (backend, path) => {
    await backend.commit({ operations: [message("old", { dedupeMs: 1000, delayMs: HOUR_MS, priority: 9 })] });
    await clock.advance(2000);
    const count = counter(path, "ids");
    for (let round = 0; round < 10; round++) await sendAndHandle(backend, round, 200, 0);
    assert(count() < 1000, `there are ${count()} ids`);
    const again = await backend.commit({ operations: [message("old", { dedupeMs: 1000 })] });
    assertEquals(again, { committed: true, results: [{ type: "enqueue", duplicate: true }] });
    await clock.advance(HOUR_MS);
    assertEquals((await backend.claim(QUEUE, { leaseMs: 1000 })).map(({ id }) => id), ["old"]);
  }, { clock });
});

Deno.test("queues that are empty and topics that are quiet are forgotten, but for a while", async () => {
  const clock = new ManualClock();
  await withBackend(async (backend, path) => {
    const count = counter(path, "queues");
    for (let index = 0; index < 1000; index++) {
      await backend.commit({ operations: [], notify: [["reply", String(index)]] });
    }
    await backend.commit({ operations: [message("kept", { queue: ["kept"] })] });
    assert(count() >= 1000, "nothing is forgotten before it has been quiet for a while");
    await clock.advance(HOUR_MS);
    for (let index = 0; index < 1000; index++) {
      await backend.commit({ operations: [], notify: [["later", String(index)]] });
    }
    assert(count() <= 1000 + 300, `there are ${count()}`);
    assertEquals((await backend.stats(["kept"])).ready, 1);
  }, { clock });
});

Deno.test("a topic that was forgotten does not come back looking as it did", async () => {
  const clock = new ManualClock();
  await withBackend(async (backend, path) => {
    const notify = (...topic: string[]) => backend.commit({ operations: [], notify: [topic] });
    const look = () => query(path, "SELECT wakes FROM queues WHERE name LIKE '%topic%'")?.wakes;
    await notify("topic");
    const before = look();
    await clock.advance(HOUR_MS);
    for (let index = 0; index < 300; index++) await notify("new", String(index));
    assertEquals(look(), undefined, "it is forgotten");
    await notify("topic");
    assert(typeof before === "number" && look() !== before, "who knew it then takes it for another");
  }, { clock });
});

Deno.test("records that have expired go with those that are stored to expire", async () => {
  const clock = new ManualClock();
  await withBackend(async (backend, path) => {
    const count = counter(path, "records");
    const store = (name: string, records: number) =>
      commitMany(
        backend,
        Array.from({ length: records }, (_, index) => ({
          type: "set",
          key: [name, String(index)],
          value: index,
          expiresInMs: 1000,
        })),
      );
    await store("first", 1000);
    await backend.commit({ operations: [{ type: "set", key: ["kept"], value: 1 }] });
    await clock.advance(1000);
    assertEquals(count(), 1001);
    assertEquals(await backend.count([]), 1);
    await store("second", 100);
    // Two for each one that is stored, no more: what one commit does is bounded.
    assertEquals(count(), 1001 + 100 - 200);
    await store("third", 400);
    assertEquals(count(), 1 + 500);
    assertEquals(await backend.count([]), 501);
  }, { clock });
});

Deno.test("the file does not grow by what comes and goes", async () => {
  const clock = new ManualClock();
  await withBackend(async (backend, path) => {
    const pages = () => Number(query(path, "PRAGMA page_count")?.page_count);
    const sizes: number[] = [];
    for (let round = 0; round < 30; round++) {
      await sendAndHandle(backend, round, 300, WINDOW_MS);
      await clock.advance(WINDOW_MS / 2);
      sizes.push(pages());
    }
    const [early, late] = [sizes[9] ?? 0, sizes.at(-1) ?? 0];
    assert(late <= early * 1.5, `it had ${early} pages, and has ${late}`);
  }, { clock });
});

/** Sends that many messages and acknowledges them. */
async function sendAndHandle(backend: SqliteBackend, round: number, messages: number, dedupeMs: number): Promise<void> {
  const ids = Array.from({ length: messages }, (_, index) => `m-${round}-${index}`);
  await commitMany(backend, ids.map((id) => message(id, { dedupeMs })));
  const deliveries = await backend.claim(QUEUE, { leaseMs: HOUR_MS, limit: 1000 });
  if (deliveries.length < messages) {
    deliveries.push(...await backend.claim(QUEUE, { leaseMs: HOUR_MS, limit: 1000 }));
  }
  assertEquals(deliveries.length, messages);
  await commitMany(backend, deliveries.map(({ queue, id, token }) => ({ type: "ack", queue, id, token })));
}

async function commitMany(backend: SqliteBackend, operations: readonly Operation[]): Promise<void> {
  for (let start = 0; start < operations.length; start += 100) {
    const result = await backend.commit({ operations: operations.slice(start, start + 100) });
    assert(result.committed);
  }
}

/** How many rows a table has. */
function counter(path: string, table: string): () => number {
  return () => Number(query(path, `SELECT count(*) AS count FROM ${table}`)?.count);
}

function query(path: string, sql: string): Record<string, unknown> | undefined {
  const database = new DatabaseSync(path);
  try {
    return database.prepare(sql).get();
  } finally {
    database.close();
  }
}
