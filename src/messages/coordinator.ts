/** The message coordinator: mailboxes for agents, with priorities, leases, retries and dead letters. @module */

import {
  DURATION,
  POSITIVE_DURATION,
  requireBackend,
  requireClock,
  requireMethods,
  requireNamespace,
  requireNumber,
  requireOptions,
  requireOptionsObject,
  requireString,
} from "../check.ts";
import { type Clock, monotonicMs, systemClock } from "../clock.ts";
import { QueueFullError } from "../errors.ts";
import { messageId } from "../ids.ts";
import { activeTrace } from "../observability/messaging_telemetry.ts";
import { type MessageMetrics, NullMetrics, safeMetrics } from "../observability/metrics.ts";
import type { Batch, Delivery, StorageBackend } from "../storage/backend.ts";
import { MAX_CLAIM_LIMIT } from "../storage/batch.ts";
import { copyJsonObject, type JsonObject } from "../storage/json.ts";
import { type Key, toNamespace } from "../storage/key.ts";
import { changeConfiguration, type CoordinatorConfiguration, DEFAULT_CONFIGURATION } from "./configuration.ts";
import { carryTrace, decodeToken, MessageKeys, toQueueMessage } from "./envelope.ts";
import { claimFrom, Inbox, SharedInboxes } from "./inbox.ts";
import { type DeadLetterFilter, deadLetters, purge, type PurgeFilter, redrive } from "./maintenance.ts";
import {
  type AgentId,
  type AgentMessage,
  type AgentMessageInput,
  checkAgentId,
  type DeadLetter,
  MessagePriority,
  type MessageResult,
  type MessageSubscription,
  type MessageType,
} from "./model.ts";
import {
  type AckOptions,
  type BroadcastOptions,
  type MailboxStats,
  type MessageCoordinatorOptions,
  type NackOptions,
  NO_OPTIONS,
  RECEIVE_OPTIONS,
  type ReceiveOptions,
  REQUEST_OPTIONS,
  type RequestOptions,
  type SendOptions,
  SUBSCRIBE_OPTIONS,
  type SubscribeOptions,
} from "./options.ts";
import { ReceivedMessage } from "./received.ts";
import { Requests } from "./requests.ts";
import { nameOf, Sender } from "./sender.ts";
import { type AttemptLease, Settler } from "./settler.ts";
import { Subscriptions } from "./subscriptions.ts";

const requireMetrics = requireMethods("metrics", "incDeliveredOk", "incDeliveredError");

/**
 * Mailboxes for agents on any backend. A message that `sendMessage` reports as delivered is handled and acknowledged,
 * or in the dead-letter queue, or purged by name; never lost.
 *
 * Whatever a call cannot take is refused before anything is done, with a `TypeError` or `RangeError` that names the
 * field and the rule. While the backend cannot be reached, calls reject with a {@linkcode BackendUnavailableError}, and
 * writes that broke off in the middle with an {@linkcode OutcomeUnknownError}.
 *
 * @example
 * ```ts
 * import { MemoryBackend, MessageCoordinator } from "@tta/agent-coordination";
 *
 * await using backend = new MemoryBackend();
 * const coordinator = new MessageCoordinator(backend);
 * const writer = { type: "writer" };
 * await coordinator.sendMessage({ type: "editor" }, writer, { payload: { task: "draft a title" } });
 * const received = await coordinator.receive(writer);
 * console.log(received?.message.payload); // { task: "draft a title" }
 * await received?.ack();
 * ```
 */
export class MessageCoordinator {
  /** Where the messages are. */
  readonly backend: StorageBackend;
  /** What all keys of this coordinator begin with. */
  readonly namespace: Key;
  /** The source of time for timestamps and waits. */
  readonly clock: Clock;
  readonly #metrics: Required<MessageMetrics>;
  readonly #keys: MessageKeys;
  readonly #subscriptions: Subscriptions;
  readonly #requests: Requests;
  readonly #sender: Sender;
  readonly #settler: Settler;
  readonly #inboxes: SharedInboxes;
  #configuration: CoordinatorConfiguration;

  /**
   * Makes a coordinator; several on one backend and namespace share their mailboxes.
   *
   * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
   */
  constructor(backend: StorageBackend, options: MessageCoordinatorOptions = {}) {
    requireBackend("backend", backend);
    requireOptionsObject("MessageCoordinator", options);
    const { namespace = "ao", metrics = new NullMetrics(), clock = systemClock, ...settings } = options;
    requireNamespace("namespace", namespace);
    requireMetrics("metrics", metrics);
    requireClock("clock", clock);
    this.backend = backend;
    this.namespace = toNamespace(namespace);
    this.clock = clock;
    this.#metrics = safeMetrics(metrics);
    this.#keys = new MessageKeys(this.namespace);
    this.#configuration = changeConfiguration(DEFAULT_CONFIGURATION, settings);
    this.#subscriptions = new Subscriptions(backend, this.#keys);
    this.#inboxes = new SharedInboxes(backend, clock);
    this.#requests = new Requests(backend, this.#keys, clock);
    const configuration = () => this.#configuration;
    this.#settler = new Settler(backend, this.#keys, this.#metrics, clock, configuration);
    this.#sender = new Sender({
      backend,
      keys: this.#keys,
      metrics: this.#metrics,
      subscriptions: this.#subscriptions,
      clock,
      configuration,
    });
  }

  /** The settings in force. */
  get configuration(): CoordinatorConfiguration {
    return this.#configuration;
  }

  /**
   * Changes settings for later calls of this coordinator.
   *
   * @throws {TypeError | RangeError} Naming the setting and the rule that it breaks; nothing is changed then.
   */
  configure(changes: Partial<CoordinatorConfiguration>): void {
    this.#configuration = changeConfiguration(this.#configuration, changes);
  }

  /**
   * Puts a message into the recipient's mailbox. `delivered: false` says that the mailbox is full.
   *
   * @throws {TypeError | RangeError} When the message is not one, naming the field and the rule.
   * @throws {BackendUnavailableError} When the backend cannot be reached: the message was not sent.
   * @throws {OutcomeUnknownError} When it broke off in the middle: sending the same `messageId` again is safe.
   */
  sendMessage(
    sender: AgentId,
    recipient: AgentId,
    message: AgentMessageInput,
    options: SendOptions = NO_OPTIONS,
  ): Promise<MessageResult> {
    return this.#sender.send(sender, recipient, message, options);
  }

  /**
   * Sends to every subscriber that matches the message's type and topic, or to the recipients that are named. One
   * result for each, in which failures stand too: what one mailbox cannot take does not keep it from the others.
   *
   * @throws {TypeError | RangeError} When the message is not one, naming the field and the rule; nothing is sent then.
   * @throws {BackendUnavailableError} When the subscriptions cannot be read; nothing is sent then.
   */
  broadcastMessage(
    sender: AgentId,
    message: AgentMessageInput,
    recipientsOrOptions: readonly AgentId[] | BroadcastOptions = {},
  ): Promise<MessageResult[]> {
    return this.#sender.broadcast(sender, message, recipientsOrOptions);
  }

  /**
   * A send as a batch, for an atomic step together with other writes: `received.ack({ also })`, `backend.commit`.
   *
   * @throws {TypeError | RangeError} As `sendMessage`.
   */
  prepareSend(
    sender: AgentId,
    recipient: AgentId,
    message: AgentMessageInput,
    options: SendOptions = NO_OPTIONS,
  ): Batch {
    return { operations: [carryTrace(this.#sender.prepare(sender, recipient, message, options), activeTrace())] };
  }

  /**
   * Subscribes an agent to broadcasts of some types, and of some topics where they are named. Durable: it holds until
   * `unsubscribe`. The same subscription twice is one.
   *
   * @throws {TypeError} Naming what is not as it must be, as when no type is named.
   */
  async subscribeToMessages(
    agent: AgentId,
    messageTypes: readonly MessageType[],
    options: SubscribeOptions = {},
  ): Promise<MessageSubscription> {
    checkAgentId("agent", agent);
    requireOptions("subscribeToMessages()", options, SUBSCRIBE_OPTIONS);
    const { topics = [] } = options;
    return await this.#subscriptions.add(agent, messageTypes, topics);
  }

  /** Ends a subscription and tells whether it was there. */
  async unsubscribe(subscription: MessageSubscription): Promise<boolean> {
    checkAgentId("subscription.agentId", subscription?.agentId);
    requireString("subscription.subscriptionId", subscription.subscriptionId, 1, Number.MAX_SAFE_INTEGER);
    return await this.#subscriptions.remove(subscription);
  }

  /** The subscriptions of one agent, or of all. */
  subscriptions(agent?: AgentId): AsyncIterable<MessageSubscription> {
    if (agent !== undefined) checkAgentId("agent", agent);
    return this.#subscriptions.list(agent);
  }

  /**
   * Takes the next message, or `null` when there is none in `waitMs`. It stays the receiver's for the visibility
   * timeout; what is not settled by then is delivered again. An outage is waited out as long as there is time.
   *
   * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
   * @throws {BackendUnavailableError} When the backend cannot be reached, and the time to wait is over.
   * @throws The reason of `signal`, when it is aborted.
   */
  receive(agent: AgentId, options?: ReceiveOptions & { readonly limit?: undefined }): Promise<ReceivedMessage | null>;
  /** Takes up to `limit` messages, in their order. */
  receive(agent: AgentId, options: ReceiveOptions & { readonly limit: number }): Promise<ReceivedMessage[]>;
  async receive(
    agent: AgentId,
    options: ReceiveOptions = NO_OPTIONS,
  ): Promise<ReceivedMessage | ReceivedMessage[] | null> {
    checkAgentId("agent", agent);
    if (options !== NO_OPTIONS) requireOptions("receive()", options, RECEIVE_OPTIONS);
    const { visibilityTimeoutMs = this.#configuration.visibilityTimeoutMs, waitMs = 0, limit = 1, signal } = options;
    requireNumber("visibilityTimeoutMs", visibilityTimeoutMs, POSITIVE_DURATION);
    if (waitMs !== Infinity) requireNumber("waitMs", waitMs, DURATION);
    requireNumber("limit", limit, { min: 1, max: MAX_CLAIM_LIMIT, integer: true });
    const claim = { leaseMs: visibilityTimeoutMs, limit };
    const endsAtMs = waitMs === 0 ? 0 : monotonicMs(this.clock) + waitMs;
    for (let leftMs = waitMs;; leftMs = Math.max(0, endsAtMs - monotonicMs(this.clock))) {
      const deliveries = leftMs === 0 && signal === undefined
        ? await claimFrom(this.backend, this.#keys.mailbox(agent), claim)
        : await this.#inboxes.take(this.#keys.mailbox(agent), { ...claim, waitMs: leftMs, signal });
      const accepted = this.accept(deliveries);
      const received = Array.isArray(accepted) ? accepted : await accepted;
      // What has an unknown format is given up, and does not hide what stands behind it.
      if (received.length === 0 && deliveries.length > 0) continue;
      return options.limit === undefined ? received[0] ?? null : received;
    }
  }

  /**
   * Acknowledges by token: the message leaves the mailbox, together with all of `also`. `false` when the lease had
   * ended, or nobody ever held one by this token.
   *
   * @throws {CommitRefusedError} When something of `also` could not be: nothing happened, and the message is still
   * leased.
   */
  async ack(agent: AgentId, token: string, options: AckOptions = {}): Promise<boolean> {
    const lease = this.#lease(agent, token);
    return lease !== null && await this.#settler.ack(lease, options);
  }

  /**
   * Gives a message back by token: it is tried again after the backoff, or goes to the dead-letter queue when it failed
   * permanently or its attempts are used up. `false` as for `ack`. A token does not know whether a reply is awaited:
   * only `received.nack()` tells the one who asked that there will be none.
   */
  async nack(agent: AgentId, token: string, options: NackOptions = {}): Promise<boolean> {
    const lease = this.#lease(agent, token);
    return lease !== null && await this.#settler.nack(lease, null, options);
  }

  /** Keeps a message for another `visibilityTimeoutMs` from now, by token. `false` as for `ack`. */
  async extend(agent: AgentId, token: string, visibilityTimeoutMs?: number): Promise<boolean> {
    const lease = this.#lease(agent, token);
    return lease !== null && await this.#settler.extend(lease, visibilityTimeoutMs);
  }

  /**
   * Sends a request and waits for its reply. What nobody has answered in time stays in the recipient's mailbox.
   *
   * @throws {RequestTimeoutError} When none comes in time.
   * @throws {RequestFailedError} When the recipient gives the request up.
   * @throws {QueueFullError} When the recipient's mailbox is full.
   * @throws The reason of `signal`, when it is aborted.
   */
  async request(recipient: AgentId, payload: JsonObject, options: RequestOptions = {}): Promise<AgentMessage> {
    checkAgentId("recipient", recipient);
    requireOptions("request()", options, REQUEST_OPTIONS);
    const { timeoutMs = 30_000, signal, priority = MessagePriority.NORMAL } = options;
    requireNumber("timeoutMs", timeoutMs, POSITIVE_DURATION);
    // It is sent once the reply is listened for, and the caller may change what it gave meanwhile.
    const to = { ...recipient };
    const sender = { ...options.sender ?? { type: "requester", instance: this.#requests.address } };
    const id = messageId(this.clock.now());
    const message: AgentMessageInput = {
      messageId: id,
      messageType: "request",
      payload: copyJsonObject(payload ?? {}, "message.payload"),
      priority,
      correlationId: id,
      replyTo: this.#requests.address,
    };
    const send = async () => {
      const { delivered } = await this.sendMessage(sender, to, message);
      if (!delivered) throw new QueueFullError(nameOf(to));
    };
    return await this.#requests.wait(id, nameOf(to), send, timeoutMs, signal);
  }

  /**
   * The reply to a request as a batch, for an atomic step together with its acknowledgement.
   *
   * @throws {TypeError} When the message was not sent with `request`.
   */
  prepareReply(request: AgentMessage, payload: JsonObject): Batch {
    return this.#settler.prepareReply(request, payload);
  }

  /** Ends expired leases, of one agent or of all in this namespace, and tells how many they were. */
  async recoverPending(agent?: AgentId): Promise<number> {
    let recovered = 0;
    for await (const mailbox of this.#mailboxes(agent)) recovered += await this.backend.recover(mailbox);
    if (recovered > 0) this.#metrics.incRecovered(recovered);
    return recovered;
  }

  /**
   * The messages that an agent's mailbox has given up, the oldest first. They are the caller's: nothing but `redrive`
   * and `purge` takes them away, however many they are. `purge(agent, { states: ["dead"], olderThanMs })` now and then,
   * for the agents that `stats()` names, is a retention.
   *
   * @throws {TypeError | RangeError} Naming the agent's field or the option, and the rule that it breaks.
   */
  deadLetters(agent: AgentId, options: { readonly limit?: number } = {}): AsyncIterable<DeadLetter> {
    checkAgentId("agent", agent);
    requireOptions("deadLetters()", options, { limit: true });
    return deadLetters(this.backend, this.#keys.mailbox(agent), options);
  }

  /** Puts dead letters back into the line with all their attempts, and tells how many. */
  async redrive(agent: AgentId, filter: DeadLetterFilter = {}): Promise<number> {
    checkAgentId("agent", agent);
    return await redrive(this.backend, this.#keys.mailbox(agent), filter);
  }

  /** Removes messages from an agent's mailbox, all of them unless a filter is given, and tells how many. */
  async purge(agent: AgentId, filter: PurgeFilter = {}): Promise<number> {
    checkAgentId("agent", agent);
    return await purge(this.backend, this.#keys.mailbox(agent), filter, this.clock.now());
  }

  /** How many messages an agent's mailbox holds. */
  stats(agent: AgentId): Promise<MailboxStats>;
  /** How many messages each mailbox of this namespace holds; empty mailboxes do not exist. */
  stats(): Promise<MailboxStats[]>;
  async stats(agent?: AgentId): Promise<MailboxStats | MailboxStats[]> {
    const all: MailboxStats[] = [];
    for await (const mailbox of this.#mailboxes(agent)) {
      const stats = { agent: this.#keys.agentOf(mailbox), ...await this.backend.stats(mailbox) };
      if (agent) return stats;
      all.push(stats);
    }
    return all;
  }

  /** The inbox of an agent, for a loop of its own such as `serveAgent`'s. Close it when done. */
  openInbox(agent: AgentId): Inbox {
    checkAgentId("agent", agent);
    return new Inbox(this.backend, this.#keys.mailbox(agent), this.clock);
  }

  /**
   * Makes received messages of deliveries; one of an unknown format goes to the dead-letter queue. A promise only where
   * there is such a one: it would take a tenth of a whole round trip in memory.
   */
  accept(deliveries: readonly Delivery[]): ReceivedMessage[] | Promise<ReceivedMessage[]> {
    const received: ReceivedMessage[] = [];
    const unknown: Delivery[] = [];
    for (const delivery of deliveries) {
      const queueMessage = toQueueMessage(delivery);
      if (queueMessage) received.push(new ReceivedMessage(this.#settler, delivery, queueMessage));
      else unknown.push(delivery);
    }
    if (received.length > 0) this.#metrics.incReceived(received.length);
    return unknown.length === 0 ? received : this.#giveUp(unknown).then(() => received);
  }

  async #giveUp(unknown: readonly Delivery[]): Promise<void> {
    for (const delivery of unknown) {
      await this.#settler.nack(delivery, null, { failure: "permanent", error: "the message has an unknown format" });
    }
  }

  #lease(agent: AgentId, token: string): AttemptLease | null {
    checkAgentId("agent", agent);
    const delivery = decodeToken(token);
    return delivery && { queue: this.#keys.mailbox(agent), ...delivery };
  }

  async *#mailboxes(agent?: AgentId): AsyncGenerator<Key> {
    if (agent === undefined) {
      yield* this.backend.queues(this.#keys.mailboxes());
      return;
    }
    checkAgentId("agent", agent);
    yield this.#keys.mailbox(agent);
  }
}
