/** Records and queues below the primitives, on every backend: what the contract itself costs. @module */

import type { Key } from "../src/storage/key.ts";
import { backends } from "./backends.ts";
import { PAYLOAD } from "./peers/payload.mjs";

const RECORDS = 1000;
const QUEUE: Key = ["queue"];
const RECORD_KEYS: readonly Key[] = Array.from({ length: RECORDS }, (_, index) => ["records", String(index)]);

for (const { name, open } of backends) {
  const { backend, remove } = await open();
  addEventListener("unload", remove);
  for (const key of RECORD_KEYS) await backend.commit({ operations: [{ type: "set", key, value: PAYLOAD }] });
  let next = 0;
  const nextKey = () => RECORD_KEYS[next++ % RECORDS] ?? [];
  const set = async () => void await backend.commit({ operations: [{ type: "set", key: nextKey(), value: PAYLOAD }] });
  const get = async () => void await backend.get([nextKey()]);
  const messages = { type: "enqueue", queue: QUEUE, value: PAYLOAD, priority: 5, maxAttempts: 3 } as const;

  Deno.bench({ group: "commit one record x1", name, fn: set });
  Deno.bench({ group: "commit one record x100", name, fn: () => times(100, set) });
  Deno.bench({ group: "get one record x1", name, fn: get });
  Deno.bench({ group: "get one record x100", name, fn: () => times(100, get) });
  Deno.bench({
    group: "list 100 records",
    name,
    fn: async () => void await Array.fromAsync(backend.list(["records"], { limit: 100 })),
  });
  Deno.bench({
    group: "enqueue, claim and ack 100 messages in three steps",
    name,
    fn: async () => {
      const ids = Array.from({ length: 100 }, () => `message-${next++}`);
      const limits = { dedupeMs: 1000, capacity: 1000 };
      await backend.commit({ operations: ids.map((id) => ({ ...messages, id, ...limits })) });
      const deliveries = await backend.claim(QUEUE, { leaseMs: 60_000, limit: 100 });
      await backend.commit({
        operations: deliveries.map(({ id, token }) => ({ type: "ack", queue: QUEUE, id, token })),
      });
    },
  });
}

async function times(count: number, action: () => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, action));
}
