/** A message that was received, with everything its receiver can do with it. @module */

import type { Delivery } from "../storage/backend.ts";
import type { JsonObject } from "../storage/json.ts";
import { encodeToken, isoTime } from "./envelope.ts";
import type { AgentMessage, QueueMessage } from "./model.ts";
import type { AckOptions, NackOptions } from "./options.ts";
import type { Settler } from "./settler.ts";

/**
 * A message that is the receiver's until the visibility deadline. Settle it once: `ack`, `nack` or `reply`; each tells
 * `false`, and changes nothing, when the lease had ended before.
 */
export class ReceivedMessage {
  /** The message with its place in the mailbox. */
  readonly queueMessage: QueueMessage;
  readonly #settler: Settler;
  readonly #delivery: Delivery;

  /** Made by the coordinator. */
  constructor(settler: Settler, delivery: Delivery, queueMessage: QueueMessage) {
    this.queueMessage = queueMessage;
    this.#settler = settler;
    this.#delivery = delivery;
  }

  /** Names this delivery, for `coordinator.ack(agent, token)` from anywhere. */
  get token(): string {
    return encodeToken(this.#delivery);
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
   * @throws {CommitRefusedError} When something of `also` could not be: nothing happened, and the message is still
   * leased.
   */
  ack(options?: AckOptions): Promise<boolean> {
    return this.#settler.ack(this.#delivery, options);
  }

  /**
   * Failed: the message is tried again after a delay, or given up when its attempts are used up.
   *
   * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
   */
  nack(options: NackOptions = {}): Promise<boolean> {
    return this.#settler.nack(this.#delivery, this.message, options);
  }

  /**
   * Keeps the message for another `visibilityTimeoutMs` from now.
   *
   * @throws {TypeError | RangeError} When it is no positive duration.
   */
  extend(visibilityTimeoutMs?: number): Promise<boolean> {
    return this.#settler.extend(this.#delivery, visibilityTimeoutMs);
  }

  /**
   * Done, with an answer: acknowledges and replies in one atomic step.
   *
   * @throws {TypeError} When the message was not sent with `request`.
   */
  async reply(payload: JsonObject, options?: AckOptions): Promise<boolean> {
    return await this.#settler.reply(this.#delivery, this.message, payload, options);
  }
}
