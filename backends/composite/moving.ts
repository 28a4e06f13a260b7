/** Moves messages from one backend to another, each accepted there before it is gone here. @module */

import type { Delivery, EnqueueOperation, StorageBackend, StoredMessage } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { collect } from "../../src/storage/es2024.ts";

// What is not moved within this time comes into the line again and is moved by the next attempt.
const MOVE_LEASE_MS = 60_000;
const MOVE_BATCH = 100;

/** So many go to the other backend in one batch: no engine takes fewer than Deno KV does on Node, ten. */
export const SEND_BATCH = 10;

// A message keeps its id, so that one that was moved and not yet removed is not there twice: it is remembered so long.
const DEDUPE_MS = 300_000;

/**
 * Moves what nobody holds: ready, delayed and dead messages, the dead as ready ones with all their attempts. `now` is the
 * time of `from`.
 */
export async function moveMessages(from: StorageBackend, to: StorageBackend, queue: Key, now: number): Promise<void> {
  for await (const { id } of from.messages(queue, "dead")) {
    await from.commit({ operations: [{ type: "redrive", queue, id }] });
  }
  while (true) {
    const deliveries = await from.claim(queue, { leaseMs: MOVE_LEASE_MS, limit: MOVE_BATCH });
    if (deliveries.length === 0) break;
    await send(to, queue, deliveries, () => 0);
    for (const { id, token } of deliveries) await from.commit({ operations: [{ type: "ack", queue, id, token }] });
  }
  const delayed = await collect(from.messages(queue, "delayed"));
  for (let start = 0; start < delayed.length; start += MOVE_BATCH) {
    const part = delayed.slice(start, start + MOVE_BATCH);
    await send(to, queue, part, ({ dueAtMs }) => Math.max(0, dueAtMs - now));
    await from.commit({ operations: part.map(({ id }) => ({ type: "purge", queue, id })) });
  }
}

async function send<Message extends Delivery | StoredMessage>(
  to: StorageBackend,
  queue: Key,
  messages: readonly Message[],
  delayMs: (message: Message) => number,
): Promise<void> {
  for (let start = 0; start < messages.length; start += SEND_BATCH) {
    const operations = messages.slice(start, start + SEND_BATCH).map((message): EnqueueOperation => {
      const { id, value, priority, maxAttempts } = message;
      return {
        type: "enqueue",
        queue,
        id,
        value,
        priority,
        maxAttempts,
        delayMs: delayMs(message),
        dedupeMs: DEDUPE_MS,
        capacity: Number.MAX_SAFE_INTEGER, // it was accepted already
      };
    });
    await to.commit({ operations });
  }
}
