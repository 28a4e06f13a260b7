/** The work that is measured, on any backend: sending, and whole round trips. @module */

import { MessageCoordinator } from "../src/messages/coordinator.ts";
import { serveAgent } from "../src/messages/worker.ts";
import type { StorageBackend } from "../src/storage/backend.ts";
import { PAYLOAD } from "./peers/payload.mjs";

/** Who sends. */
export const SENDER = { type: "sender" };
/** Whose mailbox it is. */
export const RECIPIENT = { type: "recipient" };
/** A mailbox takes everything that one round sends. */
export const QUEUE_SIZE = 10_000_000;

/** What a part of a round came to. */
export interface Work {
  /** How many operations were done. */
  readonly count: number;
  /** How long they took. */
  readonly elapsedMs: number;
}

/** Sends for `durationMs`, with `atOnce` sends under way all the time. */
export async function send(backend: StorageBackend, atOnce: number, durationMs: number): Promise<Work> {
  const coordinator = new MessageCoordinator(backend, { queueSize: QUEUE_SIZE });
  return await repeat(atOnce, durationMs, async () => {
    await coordinator.sendMessage(SENDER, RECIPIENT, { payload: PAYLOAD });
  });
}

/** Sends, receives and acknowledges for `durationMs`, with `atOnce` round trips under way all the time. */
export async function roundTrip(backend: StorageBackend, atOnce: number, durationMs: number): Promise<Work> {
  const coordinator = new MessageCoordinator(backend, { queueSize: QUEUE_SIZE });
  return await repeat(atOnce, durationMs, () => oneRoundTrip(coordinator));
}

/** One message from `sendMessage` to `ack`. */
export async function oneRoundTrip(coordinator: MessageCoordinator): Promise<void> {
  await coordinator.sendMessage(SENDER, RECIPIENT, { payload: PAYLOAD });
  // Longer than any pause of the machine: what is measured is not a redelivery.
  const received = await coordinator.receive(RECIPIENT, { visibilityTimeoutMs: 60_000 });
  if (!received || !await received.ack()) throw new Error("Cannot measure: a message was lost on the way");
}

/**
 * The same with `serveAgent` at the other end: `atOnce` senders, each of which sends its next message when the last one
 * has been handled, and a server that handles as many at once. Ends when all is acknowledged.
 */
export async function serve(backend: StorageBackend, atOnce: number, durationMs: number): Promise<Work> {
  const coordinator = new MessageCoordinator(backend, { queueSize: QUEUE_SIZE });
  const handled: (() => void)[] = [];
  const server = serveAgent(coordinator, {
    agentId: RECIPIENT,
    process: ({ payload }) => handled[Number(payload.slot)]?.(),
  }, { concurrency: atOnce });
  const startedAt = performance.now();
  const { count } = await repeat(atOnce, durationMs, async (slot) => {
    const done = new Promise<void>((resolve) => handled[slot] = resolve);
    await coordinator.sendMessage(SENDER, RECIPIENT, { payload: { ...PAYLOAD, slot } });
    await done;
  });
  await server.stop();
  return { count, elapsedMs: performance.now() - startedAt };
}

/** Messages served by a server that finds `chunk` of them waiting, until the last one is acknowledged. */
export async function drain(
  backend: StorageBackend,
  atOnce: number,
  durationMs: number,
  chunk: number = 5000,
): Promise<Work> {
  const coordinator = new MessageCoordinator(backend);
  const work = { count: 0, elapsedMs: 0 };
  while (work.elapsedMs < durationMs) {
    await Promise.all(
      Array.from({ length: chunk }, () => coordinator.sendMessage(SENDER, RECIPIENT, { payload: PAYLOAD })),
    );
    let left = chunk;
    const { promise: handled, resolve } = Promise.withResolvers<void>();
    const startedAt = performance.now();
    const process = () => {
      if (--left === 0) resolve();
    };
    const server = serveAgent(coordinator, { agentId: RECIPIENT, process }, { concurrency: atOnce });
    await handled;
    await server.stop();
    work.elapsedMs += performance.now() - startedAt;
    work.count += chunk;
  }
  return work;
}

/** Does `action` again and again for `durationMs`, in `atOnce` loops side by side. */
async function repeat(atOnce: number, durationMs: number, action: (loop: number) => Promise<void>): Promise<Work> {
  const startedAt = performance.now();
  let count = 0;
  const loop = async (index: number) => {
    while (performance.now() - startedAt < durationMs) {
      await action(index);
      count++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, (_, index) => loop(index)));
  return { count, elapsedMs: performance.now() - startedAt };
}
