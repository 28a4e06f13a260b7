/** Settles deliveries: acknowledges, gives back with a backoff, extends, replies. @module */

import { DURATION, POSITIVE_DURATION, requireNumber, requireOneOf, requireOptions } from "../check.ts";
import type { Clock } from "../clock.ts";
import { CommitRefusedError } from "../errors.ts";
import { observeSettle } from "../observability/messaging_telemetry.ts";
import type { MessageMetrics } from "../observability/metrics.ts";
import type { Batch, CommitResult, Lease, StorageBackend } from "../storage/backend.ts";
import { mergeBatches, prepareError } from "../storage/batch.ts";
import { copyJsonObject, type JsonObject } from "../storage/json.ts";
import type { Key } from "../storage/key.ts";
import { type CoordinatorConfiguration, retryDelayMs } from "./configuration.ts";
import { type MessageKeys, toMessage } from "./envelope.ts";
import { type AgentMessage, checkAgentId, FailureType } from "./model.ts";
import { ACK_OPTIONS, type AckOptions, NACK_OPTIONS, type NackOptions } from "./options.ts";
import { prepareAnswer } from "./requests.ts";

/** A lease, and which attempt it is; a token does not know how many there may be. */
export interface AttemptLease extends Lease {
  readonly attempt: number;
  readonly maxAttempts?: number;
}

/** Settles the deliveries of one coordinator. */
export class Settler {
  readonly #backend: StorageBackend;
  readonly #keys: MessageKeys;
  readonly #metrics: Required<MessageMetrics>;
  readonly #clock: Clock;
  readonly #configuration: () => CoordinatorConfiguration;

  /** Reads the configuration at each call, since it may change. */
  constructor(
    backend: StorageBackend,
    keys: MessageKeys,
    metrics: Required<MessageMetrics>,
    clock: Clock,
    configuration: () => CoordinatorConfiguration,
  ) {
    this.#backend = backend;
    this.#keys = keys;
    this.#metrics = metrics;
    this.#clock = clock;
    this.#configuration = configuration;
  }

  /** Removes the message, together with all of `also`; `false` when the lease had ended. */
  async ack({ queue, id, token }: Lease, options?: AckOptions): Promise<boolean> {
    if (options !== undefined) requireOptions("ack()", options, ACK_OPTIONS);
    const ack: Batch = { operations: [{ type: "ack", queue, id, token }] };
    const also = toBatches(options?.also);
    const result = await this.#commit("ack", queue, id, also.length === 0 ? ack : mergeBatches(ack, ...also));
    if (result.committed) {
      this.#metrics.incAcknowledged(1);
      return true;
    }
    if (result.reason !== "lease_lost" || result.index > 0) throw new CommitRefusedError("acknowledge", result.reason);
    this.#metrics.incLeasesLost(1);
    return false;
  }

  /**
   * Schedules another try, or gives the message up; `false` when the lease had ended. Where the message is known and
   * somebody awaits its reply, they learn at once that there will be none.
   */
  async nack(lease: AttemptLease, message: AgentMessage | null, options: NackOptions): Promise<boolean> {
    requireOptions("nack()", options, NACK_OPTIONS);
    const { queue, id, token, attempt, maxAttempts = Infinity } = lease;
    const { failure = "transient", delayMs = retryDelayMs(this.#configuration(), attempt) } = options;
    requireOneOf("failure", failure, Object.values(FailureType));
    requireNumber("delayMs", delayMs, DURATION);
    const error = prepareError(options.error); // cut, for the answer carries it too
    const settled = { queue, id, token, ...(error !== null && { error }) };
    const nack: Batch = {
      operations: [failure === "permanent" ? { type: "bury", ...settled } : { type: "retry", ...settled, delayMs }],
    };
    const isLast = failure === "permanent" || attempt >= maxAttempts;
    const answer = isLast && message && prepareAnswer(this.#keys, message, { error: error ?? failure });
    const result = await this.#commit("nack", queue, id, answer ? mergeBatches(nack, answer) : nack);
    if (!result.committed) {
      this.#metrics.incLeasesLost(1);
      return false;
    }
    this.#metrics.incNacks(1);
    const [outcome] = result.results;
    if (outcome?.type === "retry" && outcome.state !== "dead") this.#metrics.incRetriesScheduled(1, delayMs / 1000);
    else this.#metrics.incPermanent(1);
    return true;
  }

  /** Moves the end of the lease; `false` when it had ended. */
  async extend(
    { queue, id, token }: Lease,
    leaseMs: number = this.#configuration().visibilityTimeoutMs,
  ): Promise<boolean> {
    requireNumber("visibilityTimeoutMs", leaseMs, POSITIVE_DURATION);
    const result = await this.#backend.commit({ operations: [{ type: "extend", queue, id, token, leaseMs }] });
    if (!result.committed) this.#metrics.incLeasesLost(1);
    return result.committed;
  }

  /** Acknowledges a request and stores its reply, in one step. */
  async reply(lease: Lease, request: AgentMessage, payload: JsonObject, options: AckOptions = {}): Promise<boolean> {
    requireOptions("reply()", options, ACK_OPTIONS);
    return await this.ack(lease, { also: [this.prepareReply(request, payload), ...toBatches(options.also)] });
  }

  /**
   * The reply to a request as a batch.
   *
   * @throws {TypeError} When nobody awaits a reply.
   */
  prepareReply(request: AgentMessage, payload: JsonObject): Batch {
    checkAgentId("request.sender", request?.sender);
    checkAgentId("request.recipient", request.recipient);
    const { recipient, sender, correlationId } = request;
    const content = { messageType: "response" as const, payload: copyJsonObject(payload ?? {}, "reply.payload") };
    const reply = toMessage(recipient, sender, { ...content, correlationId }, this.#clock.now());
    const batch = prepareAnswer(this.#keys, request, reply);
    if (batch === null) throw new TypeError("Cannot reply to the message: it is not a request that awaits a reply");
    return batch;
  }

  #commit(name: string, queue: Key, id: string, batch: Batch): Promise<CommitResult> {
    const observed = observeSettle(name, queue, id);
    const commit = this.#backend.commit(batch);
    if (!observed) return commit;
    return observed.follow(commit, (result) => result.committed ? undefined : result.reason);
  }
}

/** One batch, several or none, as a list. */
function toBatches(also: Batch | readonly Batch[] | undefined): readonly Batch[] {
  if (also === undefined) return [];
  return "operations" in also ? [also] : also;
}
