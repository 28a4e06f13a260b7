/** The steps that the cases of the coordinator are written in. @module */

import assert from "node:assert/strict";
import { MessageCoordinator } from "../messages/coordinator.ts";
import type { AgentId, AgentMessageInput } from "../messages/model.ts";
import type { ReceivedMessage } from "../messages/received.ts";
import { CountingMetrics } from "../observability/metrics.ts";
import type { StorageBackend } from "../storage/backend.ts";
import { LONG_MS } from "./case.ts";

/** Who sends. */
export const SENDER: AgentId = { type: "sender" };

/** Who receives; its instance has a character that separates in many stores. */
export const AGENT: AgentId = { type: "worker", instance: "w:1" };

/** Sends payloads with the numbers 1 to `count`. */
export async function sendNumbers(
  coordinator: MessageCoordinator,
  count: number,
  input: AgentMessageInput = {},
): Promise<void> {
  for (let n = 1; n <= count; n++) {
    const { delivered } = await coordinator.sendMessage(SENDER, AGENT, { ...input, payload: { n } });
    assert.ok(delivered);
  }
}

/** Receives one message that must be there. */
export async function receiveOne(
  coordinator: MessageCoordinator,
  agent: AgentId = AGENT,
  visibilityTimeoutMs: number = LONG_MS,
): Promise<ReceivedMessage> {
  const received = await coordinator.receive(agent, { visibilityTimeoutMs });
  assert.ok(received, "a message was expected");
  return received;
}

/** Receives and acknowledges everything, and tells the numbers. */
export async function drain(coordinator: MessageCoordinator, agent: AgentId = AGENT): Promise<unknown[]> {
  const numbers: unknown[] = [];
  for (const received of await coordinator.receive(agent, { limit: 1000 })) {
    numbers.push(received.message.payload.n);
    assert.equal(await received.ack(), true);
  }
  return numbers;
}

/** A coordinator, and what it counts. */
export function coordinate(
  backend: StorageBackend,
  metrics: CountingMetrics = new CountingMetrics(),
): [MessageCoordinator, CountingMetrics] {
  return [new MessageCoordinator(backend, { metrics }), metrics];
}
