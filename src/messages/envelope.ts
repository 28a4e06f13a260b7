/** How messages lie in their mailboxes: keys, the stored form with its format version, and delivery tokens. @module */

import { requireString } from "../check.ts";
import { messageId } from "../ids.ts";
import type { TraceContext } from "../observability/trace_context.ts";
import type { Delivery, EnqueueOperation, Lease, StoredMessage } from "../storage/backend.ts";
import type { JsonObject, JsonValue } from "../storage/json.ts";
import type { Key } from "../storage/key.ts";
import {
  type AgentId,
  type AgentMessage,
  type AgentMessageInput,
  type DeadLetter,
  instanceOf,
  MessagePriority,
  type QueueMessage,
  type RoutingKey,
} from "./model.ts";

/** The format of stored messages; a reader refuses a newer one. */
export const MESSAGE_FORMAT = 1;

/** The keys of one namespace. */
export class MessageKeys {
  readonly #namespace: Key;

  /** The keys below `namespace`. */
  constructor(namespace: Key) {
    this.#namespace = namespace;
  }

  /** Above all mailboxes. */
  mailboxes(): Key {
    return [...this.#namespace, "mailbox"];
  }

  /** The queue of one agent. */
  mailbox(agent: AgentId): Key {
    return [...this.#namespace, "mailbox", agent.type, instanceOf(agent)];
  }

  /** The agent whose queue this is. */
  agentOf(mailbox: Key): AgentId {
    const [type = "", instance = ""] = mailbox.slice(this.#namespace.length + 1);
    return { type, instance };
  }

  /** Above all subscriptions. */
  subscriptions(): Key {
    return [...this.#namespace, "subscription"];
  }

  /** One subscription of an agent. */
  subscription(agent: AgentId, id: string): Key {
    return [...this.#namespace, "subscription", agent.type, instanceOf(agent), id];
  }

  /** Where the coordinator with this address looks for replies; also the topic that announces them. */
  replies(address: string): Key {
    return [...this.#namespace, "reply", address];
  }

  /** The reply to one request. */
  reply(address: string, correlationId: string): Key {
    return [...this.#namespace, "reply", address, correlationId];
  }
}

/** A message of what the caller gave, with every default filled in. */
export function toMessage(sender: AgentId, recipient: AgentId, input: AgentMessageInput, now: number): AgentMessage {
  return {
    messageId: input.messageId ?? messageId(now),
    sender,
    recipient,
    messageType: input.messageType ?? "event",
    payload: input.payload ?? {},
    priority: input.priority ?? MessagePriority.NORMAL,
    routing: input.routing ?? {},
    timestamp: input.timestamp ?? isoTime(now),
    correlationId: input.correlationId,
    replyTo: input.replyTo,
    trace: input.trace,
  };
}

/** The stored form of a message. */
export function encodeMessage(message: AgentMessage): JsonObject {
  const { messageId, sender, recipient, messageType, payload, priority, routing, timestamp } = message;
  const { correlationId, replyTo, trace } = message;
  const stored: { [name: string]: JsonValue } = {
    messageId,
    sender: encodeAgentId(sender),
    recipient: encodeAgentId(recipient),
    messageType,
    payload,
    priority,
    routing: encodeRouting(routing),
    timestamp,
  };
  if (correlationId !== undefined) stored.correlationId = correlationId;
  if (replyTo !== undefined) stored.replyTo = replyTo;
  if (trace !== undefined) stored.trace = encodeTrace(trace);
  return { v: MESSAGE_FORMAT, message: stored };
}

/** The send of a message, with the trace that it belongs to; nothing is changed where there is none. */
export function carryTrace(send: EnqueueOperation, trace: TraceContext | undefined): EnqueueOperation {
  if (trace === undefined || !isStoredMessage(send.value)) return send;
  const message: JsonObject = send.value.message;
  return { ...send, value: { v: MESSAGE_FORMAT, message: { ...message, trace: encodeTrace(trace) } } };
}

/** The message of a stored form, `null` when that is of a newer or unknown format. */
export function decodeMessage(value: JsonValue): AgentMessage | null {
  return isStoredMessage(value) ? value.message : null;
}

/** The message of a queue as callers see it, `null` when its format is unknown. */
export function toQueueMessage(stored: StoredMessage | Delivery): QueueMessage | null {
  const message = decodeMessage(stored.value);
  if (message === null) return null;
  const deliveries = "attempt" in stored ? stored.attempt - 1 : stored.attempts;
  const { priority, enqueuedAtMs, lastError } = stored;
  const queueMessage = { message, priority, enqueuedAt: isoTime(enqueuedAtMs), deliveryAttempts: deliveries };
  return lastError === undefined ? queueMessage : { ...queueMessage, lastError };
}

/** A dead message as callers see it, `null` when its format is unknown. */
export function toDeadLetter(stored: StoredMessage): DeadLetter | null {
  const message = toQueueMessage(stored);
  return message && { ...message, diedAt: isoTime(stored.dueAtMs) };
}

// The token of a lease comes first and has no "~"; the id comes last and may hold anything.
const TOKEN = /^([^~]{1,256})~([1-9]\d{0,6})~(.{1,256})$/s;

/** What a delivery's token says: enough to settle it from any process. */
export interface DeliveryToken extends Omit<Lease, "queue"> {
  readonly attempt: number;
}

/** One string that names a delivery in its mailbox. */
export function encodeToken({ token, attempt, id }: DeliveryToken): string {
  return `${token}~${attempt}~${id}`;
}

/**
 * The parts of a token that {@linkcode encodeToken} made, `null` when it is none: nobody holds a lease by it.
 *
 * @throws {TypeError} When it is no string.
 */
export function decodeToken(encoded: string): DeliveryToken | null {
  requireString("token", encoded, 0, Number.MAX_SAFE_INTEGER);
  const [, token, attempt, id] = encoded.isWellFormed() ? TOKEN.exec(encoded) ?? [] : [];
  return token === undefined || id === undefined ? null : { token, attempt: Number(attempt), id };
}

let lastMs = NaN;
let lastIso = "";

/** ISO 8601 of a time; remembered for the millisecond, since formatting costs more than anything else of a send. */
export function isoTime(timeMs: number): string {
  if (timeMs !== lastMs) {
    lastIso = new Date(timeMs).toISOString();
    lastMs = timeMs;
  }
  return lastIso;
}

function encodeAgentId({ type, instance }: AgentId): JsonObject {
  return instance === undefined ? { type } : { type, instance };
}

function encodeTrace({ traceparent, tracestate }: TraceContext): JsonObject {
  return tracestate === undefined ? { traceparent } : { traceparent, tracestate };
}

function encodeRouting({ topic, tags }: RoutingKey): JsonObject {
  if (topic === undefined && tags === undefined) return {};
  return { ...(topic !== undefined && { topic }), ...(tags !== undefined && { tags }) };
}

function isStoredMessage(value: JsonValue): value is JsonObject & { readonly message: JsonObject & AgentMessage } {
  return typeof value === "object" && value !== null && "v" in value && value.v === MESSAGE_FORMAT &&
    typeof value.message === "object" && value.message !== null;
}
