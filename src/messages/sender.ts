/** Makes messages of what callers give, and sends them: to one, or to all who are subscribed. @module */

import { DURATION, requireNumber, requireOptions } from "../check.ts";
import type { Clock } from "../clock.ts";
import { errorText, isOutage, OutcomeUnknownError, QueueFullError } from "../errors.ts";
import { messageId } from "../ids.ts";
import { observeSend } from "../observability/messaging_telemetry.ts";
import type { MessageMetrics } from "../observability/metrics.ts";
import type { CommitResult, EnqueueOperation, StorageBackend } from "../storage/backend.ts";
import { copyJsonObject } from "../storage/json.ts";
import type { CoordinatorConfiguration } from "./configuration.ts";
import { carryTrace, encodeMessage, type MessageKeys, toMessage } from "./envelope.ts";
import {
  type AgentId,
  type AgentMessageInput,
  checkAgentId,
  checkMessage,
  instanceOf,
  type MessageResult,
} from "./model.ts";
import { BROADCAST_OPTIONS, type BroadcastOptions, NO_OPTIONS, SEND_OPTIONS, type SendOptions } from "./options.ts";
import type { Subscriptions } from "./subscriptions.ts";

/** What a sender works with. */
export interface SenderParts {
  readonly backend: StorageBackend;
  readonly keys: MessageKeys;
  readonly metrics: Required<MessageMetrics>;
  readonly subscriptions: Subscriptions;
  readonly clock: Clock;
  /** Read at each call, since it may change. */
  readonly configuration: () => CoordinatorConfiguration;
}

/** Sends the messages of one coordinator. */
export class Sender {
  readonly #backend: StorageBackend;
  readonly #keys: MessageKeys;
  readonly #metrics: Required<MessageMetrics>;
  readonly #subscriptions: Subscriptions;
  readonly #clock: Clock;
  readonly #configuration: () => CoordinatorConfiguration;

  /** Sends to mailboxes on a backend. */
  constructor({ backend, keys, metrics, subscriptions, clock, configuration }: SenderParts) {
    this.#backend = backend;
    this.#keys = keys;
    this.#metrics = metrics;
    this.#subscriptions = subscriptions;
    this.#clock = clock;
    this.#configuration = configuration;
  }

  /** Puts a message into the recipient's mailbox, and tells whether it has room. */
  async send(
    sender: AgentId,
    recipient: AgentId,
    message: AgentMessageInput,
    options: SendOptions,
  ): Promise<MessageResult> {
    const { id, committed } = this.#send(sender, recipient, message, options);
    try {
      const result = await committed;
      if (!result.committed) {
        this.#metrics.incDeliveredError(1);
        const error = { code: "queue_full" as const, message: new QueueFullError(nameOf(recipient)).message };
        return { messageId: id, delivered: false, error };
      }
      this.#metrics.incDeliveredOk(1);
      const [enqueued] = result.results;
      if (enqueued?.type === "enqueue" && enqueued.duplicate) {
        return { messageId: id, delivered: true, duplicate: true };
      }
      return { messageId: id, delivered: true };
    } catch (error) {
      this.#metrics.incDeliveredError(1);
      throw error;
    }
  }

  /** Sends to all who are subscribed, or to those who are named; one result for each, in which failures stand too. */
  async broadcast(
    sender: AgentId,
    message: AgentMessageInput,
    recipientsOrOptions: readonly AgentId[] | BroadcastOptions,
  ): Promise<MessageResult[]> {
    const options = isRecipients(recipientsOrOptions) ? { recipients: recipientsOrOptions } : recipientsOrOptions;
    requireOptions("broadcastMessage()", options, BROADCAST_OPTIONS);
    const { delayMs = 0 } = options;
    requireNumber("delayMs", delayMs, DURATION);
    const sendOptions = delayMs === 0 ? NO_OPTIONS : { delayMs };
    // The subscriptions are read before it is sent, and the caller may change it meanwhile.
    const payload = copyJsonObject(checkMessage(message).payload ?? {}, "message.payload");
    const checked = { ...message, payload, messageId: message.messageId ?? messageId(this.#clock.now()) };
    checkAgentId("sender", sender);
    options.recipients?.forEach((recipient, index) => checkAgentId(`recipients[${index}]`, recipient));
    const filter = { messageType: checked.messageType ?? "event", topic: checked.routing?.topic };
    const recipients = options.recipients ?? await this.#subscriptions.matching(filter);
    return await Promise.all(recipients.map(async (recipient) => {
      try {
        return await this.send(sender, recipient, checked, sendOptions);
      } catch (error) {
        return { messageId: checked.messageId, delivered: false, error: toMessageError(error) };
      }
    }));
  }

  /** What puts a message into the recipient's mailbox. */
  prepare(
    sender: AgentId,
    recipient: AgentId,
    input: AgentMessageInput,
    options: SendOptions,
  ): EnqueueOperation {
    if (options !== NO_OPTIONS) requireOptions("a send", options, SEND_OPTIONS);
    const { delayMs = 0 } = options;
    checkAgentId("sender", sender);
    checkAgentId("recipient", recipient);
    if (delayMs !== 0) requireNumber("delayMs", delayMs, DURATION);
    const message = toMessage(sender, recipient, checkMessage(input), this.#clock.now());
    const { queueSize, retryAttempts, dedupeWindowMs } = this.#configuration();
    return {
      type: "enqueue",
      queue: this.#keys.mailbox(recipient),
      id: message.messageId,
      value: encodeMessage(message),
      priority: message.priority,
      delayMs,
      maxAttempts: retryAttempts + 1,
      dedupeMs: dedupeWindowMs,
      capacity: queueSize,
    };
  }

  /** Sends, and keeps no more of the message than its id: hundreds may be under way. */
  #send(
    sender: AgentId,
    recipient: AgentId,
    message: AgentMessageInput,
    options: SendOptions,
  ): { readonly id: string; readonly committed: Promise<CommitResult> } {
    const operation = this.prepare(sender, recipient, message, options);
    return { id: operation.id, committed: this.#commitSend(operation, recipient, message.correlationId) };
  }

  #commitSend(send: EnqueueOperation, recipient: AgentId, correlationId?: string): Promise<CommitResult> {
    const observed = observeSend(recipient, send.id, correlationId);
    if (!observed) return this.#backend.commit({ operations: [send] });
    const commit = this.#backend.commit({ operations: [carryTrace(send, observed.trace)] });
    return observed.follow(commit, (result) => result.committed ? undefined : "queue_full", 1);
  }
}

function isRecipients(value: readonly AgentId[] | BroadcastOptions): value is readonly AgentId[] {
  return Array.isArray(value);
}

/** What an agent is called in words. */
export function nameOf(agent: AgentId): string {
  return `${agent.type}/${instanceOf(agent)}`;
}

function toMessageError(error: unknown): NonNullable<MessageResult["error"]> {
  const message = errorText(error);
  if (error instanceof OutcomeUnknownError) return { code: "outcome_unknown", message };
  return { code: isOutage(error) ? "backend_unavailable" : "failed", message };
}
