/** A message that was received, with everything its receiver can do with it. @module */

import type { Batch, Delivery } from "../storage/backend.ts";
import type { JsonObject } from "../storage/json.ts";
import { encodeToken, isoTime } from "./envelope.ts";
import type { AgentId, AgentMessage, FailureType, QueueMessage } from "./model.ts";

/** What else happens in the atomic step of an acknowledgement. */
export interface AckOptions {
  /**
   * Batches that other primitives prepared: messages to send, records to store. All of it happens together with the
   * acknowledgement, or none of it.
   */
  readonly also?: Batch | readonly Batch[];
}

/** Why a message is given back. */
export interface NackOptions {
  /** `permanent` goes to the dead-letter queue at once. @default {"transient"} */
  readonly failure?: FailureType;
  /** What went wrong; kept with the message. */
  readonly error?: string;
  /** When to try again, in milliseconds. @default {the configured backoff} */
  readonly delayMs?: number;
}

/** What a received message needs of its coordinator. */
export interface Settler {
  /** Acknowledges a delivery. */
  ack(agent: AgentId, token: string, options?: AckOptions): Promise<boolean>;
  /** Gives a delivery back, telling the one who asked when it is given up. */
  nackDelivery(agent: AgentId, delivery: Delivery, message: AgentMessage, options: NackOptions): Promise<boolean>;
  /** Moves the end of a lease. */
  extend(agent: AgentId, token: string, visibilityTimeoutMs?: number): Promise<boolean>;
  /** What stores the reply to a request. */
  prepareReply(request: AgentMessage, payload: JsonObject): Batch;
}

/**
 * A message that is the receiver's until the visibility deadline. Settle it once: `ack`, `nack` or `reply`; each tells
 * `false`, and changes nothing, when the lease had ended before.
 */
export class ReceivedMessage {
  /** Names this delivery, for `coordinator.ack(agent, token)` from anywhere. */
  readonly token: string;
  /** The message with its place in the mailbox. */
  readonly queueMessage: QueueMessage;
  readonly #settler: Settler;
  readonly #agent: AgentId;
  readonly #delivery: Delivery;

  /** Made by the coordinator. */
  constructor(settler: Settler, agent: AgentId, delivery: Delivery, queueMessage: QueueMessage) {
    this.token = encodeToken(delivery);
    this.queueMessage = queueMessage;
    this.#settler = settler;
    this.#agent = agent;
    this.#delivery = delivery;
  }

  /** The message itself. */
  get message(): AgentMessage {
    return this.queueMessage.message;
  }

  /** Which delivery of this message it is: 1 for the first. */
  get attempt(): number {
    return this.#delivery.attempt;
  }

  /** When the lease of this delivery ended or ends unless it was extended: ISO 8601, by the backend's time. */
  get visibilityDeadline(): string {
    return isoTime(this.#delivery.leaseExpiresAtMs);
  }

  /**
   * Done: the message leaves the mailbox, in one atomic step with all of `also`.
   *
   * @throws {CommitRefusedError} When something of `also` could not be: nothing happened, and the message is still leased.
   */
  ack(options?: AckOptions): Promise<boolean> {
    return this.#settler.ack(this.#agent, this.token, options);
  }

  /** Failed: the message is tried again after a delay, or given up when its attempts are used up. */
  nack(options: NackOptions = {}): Promise<boolean> {
    return this.#settler.nackDelivery(this.#agent, this.#delivery, this.message, options);
  }

  /** Keeps the message for another `visibilityTimeoutMs` from now. */
  extend(visibilityTimeoutMs?: number): Promise<boolean> {
    return this.#settler.extend(this.#agent, this.token, visibilityTimeoutMs);
  }

  /**
   * Done, with an answer: acknowledges and replies in one atomic step.
   *
   * @throws {TypeError} When the message was not sent with `request`.
   */
  reply(payload: JsonObject, options: AckOptions = {}): Promise<boolean> {
    const reply = this.#settler.prepareReply(this.message, payload);
    return this.ack({ also: [reply, ...toBatches(options.also)] });
  }
}

/** One batch, several or none, as a list. */
export function toBatches(also: Batch | readonly Batch[] | undefined): readonly Batch[] {
  if (also === undefined) return [];
  return "operations" in also ? [also] : also;
}
