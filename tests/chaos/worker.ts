/**
 * A worker that may be killed at any moment: receives, logs, acknowledges, logs. Arguments: backend URL, log file.
 *
 * Each line of the log is one JSON event, written before the next step begins, so that it survives the process.
 *
 * @module
 */

import { openBackend } from "../../backends/open.ts";
import { MessageCoordinator } from "../../src/messages/coordinator.ts";
import type { ReceivedMessage } from "../../src/messages/received.ts";
import { CHAOS_AGENT, type ChaosEvent, LEASE_MS, SLOW_MS } from "./chaos.ts";

const [url = "", path = ""] = Deno.args;
const file = Deno.openSync(path, { create: true, append: true });
const encoder = new TextEncoder();
const log = (event: ChaosEvent) => void file.writeSync(encoder.encode(`${JSON.stringify(event)}\n`));

await using backend = await openBackend(url);
const coordinator = new MessageCoordinator(backend);
while (true) {
  const received = await coordinator.receive(CHAOS_AGENT, { visibilityTimeoutMs: LEASE_MS, waitMs: 60_000, limit: 20 });
  for (const { message, attempt } of received) {
    log({ type: "received", id: message.messageId, attempt, atMs: Date.now() });
  }
  // Who holds a message for too long does not keep the others waiting.
  await Promise.all(received.map(handle).filter((_, index) => !received[index]?.message.payload.slow));
}

async function handle(received: ReceivedMessage): Promise<void> {
  const { message: { messageId: id, payload }, attempt } = received;
  // Some hold their message for longer than its lease, so that their acknowledgement comes too late.
  if (payload.slow && attempt === 1) await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
  log({ type: "settling", id, attempt, atMs: Date.now() });
  const accepted = await received.ack();
  log({ type: "settled", id, attempt, accepted, atMs: Date.now() });
}
