/** A transaction that is left open keeps the server from cleaning up, and the backend from nothing. @module */

import { assert, assertEquals } from "@std/assert";
import postgres from "postgres";
import type { PostgresBackend } from "../../backends/postgres.ts";
import { until } from "../servers/guarded.ts";
import { freshSchema, postgresPrograms, PostgresServer } from "../servers/postgres.ts";

const QUEUE = ["work"];
const DEAD = 20_000;
const BATCH = 1000;
const STEPS = 20;
const ROUNDS = 5;
// To look at each dead row at each claim takes some hundred times as long.
const MAX_RATIO = 10;

const BOUNDS = { priority: 5, maxAttempts: 3, dedupeMs: 0, capacity: 100_000 };

async function send(backend: PostgresBackend, ids: readonly string[]): Promise<void> {
  const results = await Promise.all(
    ids.map((id) => backend.commit({ operations: [{ type: "enqueue", queue: QUEUE, id, value: id, ...BOUNDS }] })),
  );
  assert(results.every(({ committed }) => committed));
}

/** Serves as many messages as there are, up to a limit, and gives their ids. */
async function serve(backend: PostgresBackend, limit: number): Promise<string[]> {
  const held = await backend.claim(QUEUE, { leaseMs: 60_000, limit });
  const results = await Promise.all(
    held.map(({ queue, id, token }) => backend.commit({ operations: [{ type: "ack", queue, id, token }] })),
  );
  assert(results.every(({ committed }) => committed));
  return held.map(({ id }) => id);
}

/** How long the best of some rounds took in which the line was never empty. */
async function measure(backend: PostgresBackend): Promise<number> {
  let best = Infinity;
  await send(backend, Array.from({ length: STEPS }, () => crypto.randomUUID()));
  for (let round = 0; round < ROUNDS; round++) {
    const startedAt = performance.now();
    for (let step = 0; step < STEPS; step++) {
      await send(backend, [crypto.randomUUID()]);
      assertEquals((await serve(backend, 1)).length, 1);
    }
    best = Math.min(best, performance.now() - startedAt);
  }
  while ((await serve(backend, BATCH)).length > 0);
  return best;
}

Deno.test({
  name: "claim() does not slow down with what was served while an old transaction is open",
  ignore: postgresPrograms === null, // no server here
  fn: async () => {
    await using server = await PostgresServer.start();
    await using backend = freshSchema(server)({ commandTimeoutMs: 10_000 });
    const sql = postgres(server.url, { max: 1, onnotice: () => {}, max_lifetime: null });
    const before = await measure(backend);
    const release = Promise.withResolvers<void>();
    const isOpen = Promise.withResolvers<void>();
    const transaction = sql.begin("ISOLATION LEVEL REPEATABLE READ", async (tx) => {
      await tx`SELECT txid_current()`;
      isOpen.resolve();
      await release.promise;
    });
    await isOpen.promise;
    for (let sent = 0; sent < DEAD; sent += BATCH) {
      await send(backend, Array.from({ length: BATCH }, (_, index) => `m${sent + index}`));
      while ((await serve(backend, BATCH)).length > 0);
    }
    const during = await measure(backend);
    release.resolve();
    await transaction;
    await sql.end();
    assert(during < before * MAX_RATIO, `it takes ${during} ms with ${DEAD} dead rows, and took ${before} ms without`);
  },
});

Deno.test({
  name: "claim() gives a delayed message before those that came when it was due, whoever has put it into the line",
  ignore: postgresPrograms === null, // no server here
  fn: async () => {
    await using server = await PostgresServer.start();
    const open = freshSchema(server);
    await using first = open();
    await using second = open();
    const delayed = { type: "enqueue", queue: QUEUE, id: "delayed", value: 1, delayMs: 200, ...BOUNDS } as const;
    await first.commit({ operations: [delayed] });
    await send(first, ["a", "b"]);
    assertEquals(await serve(first, 1), ["a"]);
    await until("it is due", async () => (await second.stats(QUEUE)).delayed === 0);
    await send(first, ["c"]);
    assertEquals(await serve(first, 1), ["b"]);
    assertEquals(await serve(first, 10), ["delayed", "c"]);
  },
});
