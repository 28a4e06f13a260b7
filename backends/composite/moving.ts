/** Moves messages from one backend to another, each accepted there before it is gone here. @module */

import { OutcomeUnknownError } from "../../src/errors.ts";
import type { Delivery, EnqueueOperation, Lease, StorageBackend, StoredMessage } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { collect } from "../../src/storage/es2024.ts";

// What a process held that was killed while it moved it comes into the line again after this time, and so does what may
// have arrived, or not.
const MOVE_LEASE_MS = 60_000;

/** So many go to the other backend in one batch: no engine takes fewer than Deno KV does on Node, ten. */
export const SEND_BATCH = 10;

// A message keeps its id, so that one that was moved and not yet removed is not there twice: it is remembered so long.
const DEDUPE_MS = 300_000;

/** Moves what is due, and the dead as ready ones with all their attempts: each is held while it is on its way. */
export async function moveReady(from: StorageBackend, to: StorageBackend, queue: Key): Promise<void> {
  for await (const { id } of from.messages(queue, "dead")) {
    await from.commit({ operations: [{ type: "redrive", queue, id }] });
  }
  while (true) {
    const deliveries = await from.claim(queue, { leaseMs: MOVE_LEASE_MS, limit: SEND_BATCH });
    if (deliveries.length === 0) return;
    try {
      await send(to, queue, deliveries, () => 0);
    } catch (error) {
      // What may have arrived is held on: served here too, it would be handled twice.
      if (!(error instanceof OutcomeUnknownError)) await giveBack(from, deliveries);
      throw error;
    }
    await Promise.all(
      deliveries.map((delivery) => from.commit({ operations: [{ type: "ack", ...leaseOf(delivery) }] })),
    );
  }
}

/**
 * Moves what is not due yet, while nobody else may use the queue: it cannot be held, and would be served when it becomes due
 * on its way. `now` is the time of `from`.
 */
export async function moveDelayed(from: StorageBackend, to: StorageBackend, queue: Key, now: number): Promise<void> {
  const delayed = await collect(from.messages(queue, "delayed"));
  const size = Math.min(from.traits.maxBatchSize, to.traits.maxBatchSize);
  for (let start = 0; start < delayed.length; start += size) {
    const part = delayed.slice(start, start + size);
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
  const operations = messages.map((message): EnqueueOperation => {
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

/** Puts into the line again what could not be moved, also what has been delivered as often as it may be. */
async function giveBack(from: StorageBackend, deliveries: readonly Delivery[]): Promise<void> {
  for (const delivery of deliveries) {
    const { queue, id } = delivery;
    const result = await from.commit({ operations: [{ type: "retry", ...leaseOf(delivery) }] });
    const isDead = result.committed && result.results.some((done) => done.type === "retry" && done.state === "dead");
    if (isDead) await from.commit({ operations: [{ type: "redrive", queue, id }] });
  }
}

function leaseOf({ queue, id, token }: Delivery): Lease {
  return { queue, id, token };
}

/** How many messages a queue holds, in whichever state. */
export async function messagesIn(backend: StorageBackend, queue: Key): Promise<number> {
  const { ready, delayed, leased, dead } = await backend.stats(queue);
  return ready + delayed + leased + dead;
}
