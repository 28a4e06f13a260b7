/** Capacity within a batch, on the backends that foresee it by counting: memory and SQLite. @module */

import { assert, assertEquals } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { SqliteBackend } from "../../backends/sqlite.ts";
import type { EnqueueOperation, StorageBackend } from "../../src/storage/backend.ts";

const backends: readonly [string, () => StorageBackend][] = [
  ["MemoryBackend", () => new MemoryBackend()],
  ["SqliteBackend", () => new SqliteBackend({ path: ":memory:" })],
];

const enqueue = (id: string, capacity: number, queue = "q"): EnqueueOperation => ({
  type: "enqueue",
  queue: [queue],
  id,
  value: null,
  priority: 5,
  maxAttempts: 1,
  dedupeMs: 0,
  capacity,
});

for (const [name, open] of backends) {
  Deno.test(`${name}.commit() counts, in their order, what a batch adds to a queue and takes out of it`, async () => {
    await using backend = open();
    const none = { type: "purge", queue: ["q"], id: "none" } as const;
    const full = { committed: false, reason: "full", index: 1 } as const;
    assertEquals(await backend.commit({ operations: [enqueue("a", 1), enqueue("b", 1)] }), full);
    assertEquals((await backend.commit({ operations: [none, enqueue("a", 1)] })).committed, true);
    assertEquals(await backend.commit({ operations: [none, enqueue("b", 1)] }), full);
    const [{ token = "" } = {}] = await backend.claim(["q"], { leaseMs: 60_000 });
    const lease = { queue: ["q"], id: "a", token };
    // Its attempts are used up: to retry it makes room as to bury it would.
    const retry = { type: "retry", ...lease } as const;
    assertEquals((await backend.commit({ operations: [retry, enqueue("b", 1)] })).committed, true);
    assertEquals(await backend.stats(["q"]), { ready: 1, delayed: 0, leased: 0, dead: 1, nextDueInMs: null });
    const redrive = (id: string) => ({ type: "redrive", queue: ["q"], id }) as const;
    assertEquals(await backend.commit({ operations: [redrive("a"), enqueue("c", 2)] }), full);
    assertEquals((await backend.commit({ operations: [redrive("b"), enqueue("c", 2)] })).committed, true);
    const purge = (id: string) => ({ type: "purge", queue: ["q"], id }) as const;
    assertEquals(await backend.commit({ operations: [purge("a"), enqueue("d", 2)] }), full, "the dead do not count");
    assertEquals((await backend.commit({ operations: [purge("c"), enqueue("d", 2)] })).committed, true);
  });

  Deno.test(`${name}.commit() counts a duplicate as nothing, and an extended lease as it was`, async () => {
    await using backend = open();
    await backend.commit({ operations: [enqueue("a", 2)] });
    const [{ token = "" } = {}] = await backend.claim(["q"], { leaseMs: 60_000 });
    const extend = { type: "extend", queue: ["q"], id: "a", token, leaseMs: 60_000 } as const;
    const extended = await backend.commit({ operations: [extend, enqueue("b", 2)] });
    assert(extended.committed);
    const again = await backend.commit({ operations: [enqueue("a", 2), enqueue("c", 2)] });
    assertEquals(again, { committed: false, reason: "full", index: 1 });
    assertEquals((await backend.commit({ operations: [enqueue("b", 3), enqueue("c", 3)] })).committed, true);
    const ack = { type: "ack", queue: ["q"], id: "a", token } as const;
    assertEquals((await backend.commit({ operations: [ack, enqueue("d", 3)] })).committed, true);
  });
}
