/** Moves messages from one backend to another, each accepted there before it is gone here. @module */

import { OutcomeUnknownError } from "../../src/errors.ts";
import type {
  Delivery,
  EnqueueOperation,
  Lease,
  Operation,
  StorageBackend,
  StoredMessage,
} from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { collect } from "../../src/storage/es2024.ts";
import { partsOf } from "../../src/storage/parts.ts";

const YEAR_MS = 365.25 * 24 * 3_600_000;

// So long nobody gets from `from` what may have arrived at `to`, where somebody may have it: until `to` tells. No
// worker leases for so long, and no sender delays for so long, so that it can be told from what they do: by the next
// process too.
const HELD_MS = 90 * YEAR_MS;
const LONGEST_OF_CALLERS_MS = 80 * YEAR_MS;

/** So many go to the other backend in one batch: no engine takes fewer than Deno KV does on Node, ten. */
export const SEND_BATCH = 10;

// A message keeps its id, so that one that was moved and not yet removed is not there twice: it is remembered so long.
const DEDUPE_MS = 300_000;

/** The same write, whose message nobody gets from here before `moveReady` has moved it. */
export function heldBack(operation: Operation): Operation {
  if (operation.type !== "enqueue") return operation;
  return { ...operation, delayMs: HELD_MS + (operation.delayMs ?? 0) };
}

/** Keeps deliveries from being served again, for as long as it takes to move them. */
export async function holdBack(from: StorageBackend, deliveries: readonly Delivery[]): Promise<void> {
  for (const delivery of deliveries) {
    await from.commit({ operations: [{ type: "extend", leaseMs: HELD_MS, ...leaseOf(delivery) }] });
  }
}

/** Moves what is held back, and what is due: each is held while it is on its way. `now` is the time of `from`. */
export async function moveReady(from: StorageBackend, to: StorageBackend, queue: Key, now: number): Promise<void> {
  for (const state of ["leased", "delayed"] as const) {
    const held = (await collect(from.messages(queue, state))).filter(({ dueAtMs }) =>
      dueAtMs - now > LONGEST_OF_CALLERS_MS
    );
    await moveListed(from, to, held, now + HELD_MS, () => {});
  }
  while (true) {
    const deliveries = await from.claim(queue, { leaseMs: HELD_MS, limit: SEND_BATCH });
    if (deliveries.length === 0) return;
    try {
      await send(to, deliveries, () => 0);
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
 * Moves what is not due yet, and the dead as ready ones with all their attempts, while nobody else may use the queue:
 * they cannot be held. `now` is the time of `from`. Tells of those that may have arrived: they must not be served here.
 */
export async function moveRest(
  from: StorageBackend,
  to: StorageBackend,
  queue: Key,
  now: number,
  onDoubt: (message: StoredMessage) => void,
): Promise<void> {
  for (const state of ["delayed", "dead"] as const) {
    await moveListed(from, to, await collect(from.messages(queue, state)), now, onDoubt);
  }
}

/** Moves messages that nobody is served meanwhile. Those that are due at `now` are ready. */
async function moveListed(
  from: StorageBackend,
  to: StorageBackend,
  messages: readonly StoredMessage[],
  now: number,
  onDoubt: (message: StoredMessage) => void,
): Promise<void> {
  const size = Math.min(from.traits.maxBatchSize, to.traits.maxBatchSize);
  for (const part of partsOf(messages, size)) {
    try {
      await send(to, part, ({ dueAtMs }) => Math.max(0, dueAtMs - now));
    } catch (error) {
      if (error instanceof OutcomeUnknownError) { for (const message of part) onDoubt(message); }
      throw error;
    }
    await from.commit({ operations: part.map(({ queue, id }) => ({ type: "purge", queue, id })) });
  }
}

async function send<Message extends Delivery | StoredMessage>(
  to: StorageBackend,
  messages: readonly Message[],
  delayMs: (message: Message) => number,
): Promise<void> {
  const operations = messages.map((message): EnqueueOperation => {
    const { queue, id, value, priority, maxAttempts } = message;
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
