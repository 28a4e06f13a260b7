/** The messages that agents exchange: their types, and the checks at the boundary. @module */

import type { TraceContext } from "../observability/trace_context.ts";
import type { JsonObject } from "../storage/json.ts";

export { checkAgentId, checkMessage, checkSubscription } from "./message_check.ts";

/** Names an agent: a type, and an instance where there are several of it. */
export interface AgentId {
  /** What kind of agent it is: any non-empty string. */
  readonly type: string;
  /** Which one of its kind: any non-empty string. @default {"default"} */
  readonly instance?: string | undefined;
}

/** What a message is. */
export type MessageType = "request" | "response" | "event";

/** The message types by name. */
export const MessageType: { readonly REQUEST: "request"; readonly RESPONSE: "response"; readonly EVENT: "event" } = {
  REQUEST: "request",
  RESPONSE: "response",
  EVENT: "event",
};

/** Named priorities; any integer from 0 to 9 is one, and the highest comes first. */
export const MessagePriority: { readonly LOW: 1; readonly NORMAL: 5; readonly HIGH: 9 } = {
  LOW: 1,
  NORMAL: 5,
  HIGH: 9,
};

/** An integer from 0 to 9. */
export type MessagePriority = number;

/** Why a message could not be handled: `transient` and `timeout` are tried again, `permanent` is not. */
export type FailureType = "transient" | "permanent" | "timeout";

/** The failure types by name. */
export const FailureType: {
  readonly TRANSIENT: "transient";
  readonly PERMANENT: "permanent";
  readonly TIMEOUT: "timeout";
} = {
  TRANSIENT: "transient",
  PERMANENT: "permanent",
  TIMEOUT: "timeout",
};

/** Where a broadcast goes, beside its message type. */
export interface RoutingKey {
  /** Subscribers that name topics get only messages of these. */
  readonly topic?: string | undefined;
  /** Free words for the receiver. */
  readonly tags?: readonly string[] | undefined;
}

/** A message from one agent to another. */
export interface AgentMessage {
  /** Names the message: 6 to 256 characters. Sending it again within the dedupe window changes nothing. */
  readonly messageId: string;
  /** Who sent it. */
  readonly sender: AgentId;
  /** Whose mailbox it is for. */
  readonly recipient: AgentId;
  /** Whether it asks, answers or tells. */
  readonly messageType: MessageType;
  /** The content, a JSON object. */
  readonly payload: JsonObject;
  /** The highest is delivered first. */
  readonly priority: MessagePriority;
  /** What a broadcast was addressed by. */
  readonly routing: RoutingKey;
  /** When it was made: ISO 8601, with `Z` or an offset. */
  readonly timestamp: string;
  /** The id of the request that this belongs to. */
  readonly correlationId?: string | undefined;
  /** Where the one who asked waits for the reply; the coordinator's own affair. */
  readonly replyTo?: string | undefined;
  /** The trace that the send belongs to. */
  readonly trace?: TraceContext | undefined;
}

/** A message as it is given to `sendMessage`: all of it has a default. */
export interface AgentMessageInput {
  /** Names the message: 6 to 256 characters. @default {the time and 84 random bits, 22 characters} */
  readonly messageId?: string | undefined;
  /** Ignored: the sender is the one who sends. Accepted so that a received message can be forwarded. */
  readonly sender?: AgentId | undefined;
  /** Ignored: the recipient is the one it is sent to. */
  readonly recipient?: AgentId | undefined;
  /** Whether it asks, answers or tells. @default {"event"} */
  readonly messageType?: MessageType | undefined;
  /** The content, a JSON object. @default {{}} */
  readonly payload?: JsonObject | undefined;
  /** The highest is delivered first. @default {5} */
  readonly priority?: MessagePriority | undefined;
  /** What a broadcast is addressed by. */
  readonly routing?: RoutingKey | undefined;
  /** When it was made, ISO 8601. @default {now} */
  readonly timestamp?: string | undefined;
  /** What ties an answer to its request: 6 to 256 characters. */
  readonly correlationId?: string | undefined;
  /** Where the answer is to go. */
  readonly replyTo?: string | undefined;
  /** Replaced by the trace of this send, where OpenTelemetry is used. */
  readonly trace?: TraceContext | undefined;
}

/** What became of a send. */
export interface MessageResult {
  /** The id of the message. */
  readonly messageId: string;
  /** Whether the recipient's mailbox holds the message, or has held it. */
  readonly delivered: boolean;
  /** The mailbox had seen this id before, and nothing changed. */
  readonly duplicate?: boolean;
  /** Why it was not delivered. */
  readonly error?: MessageError;
}

/** Why a message was not delivered. */
export interface MessageError {
  /** Stable, to be compared with. */
  readonly code: "queue_full" | "backend_unavailable" | "outcome_unknown" | "failed";
  /** For people to read. */
  readonly message: string;
}

/** A standing wish for broadcasts. */
export interface MessageSubscription {
  /** Names the subscription. */
  readonly subscriptionId: string;
  /** Who gets the broadcasts. */
  readonly agentId: AgentId;
  /** Of which kinds: one at least. */
  readonly messageTypes: readonly MessageType[];
  /** Empty: every topic, and messages without one. */
  readonly topics: readonly string[];
}

/** A message in its mailbox. */
export interface QueueMessage {
  /** The message itself. */
  readonly message: AgentMessage;
  /** The highest is delivered first. */
  readonly priority: MessagePriority;
  /** When the mailbox accepted it: ISO 8601. */
  readonly enqueuedAt: string;
  /** How many deliveries of it have failed so far. */
  readonly deliveryAttempts: number;
  /** What went wrong the last time. */
  readonly lastError?: string;
}

/** A message that was given up, as `deadLetters` lists it. */
export interface DeadLetter extends QueueMessage {
  /** When it went to the dead-letter queue: ISO 8601. */
  readonly diedAt: string;
}

/** The instance of an agent, `"default"` where it names none. */
export function instanceOf(agent: AgentId): string {
  return agent.instance ?? "default";
}
