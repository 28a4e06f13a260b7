/** Moves the messages of one mailbox: dead letters first, then what is in line. @module */

import { setTimeout as sleep } from "node:timers/promises";
import { CoordinationError } from "../../src/errors.ts";
import { encodeMessage, MessageKeys, toMessage } from "../../src/messages/envelope.ts";
import { DEFAULT_CONFIGURATION } from "../../src/messages/configuration.ts";
import type { AgentId } from "../../src/messages/model.ts";
import type {
  Batch,
  Delivery,
  EnqueueOperation,
  Operation,
  OperationResult,
  StorageBackend,
} from "../../src/storage/backend.ts";
import { MAX_BATCH_SIZE } from "../../src/storage/backend.ts";
import { mergeBatches } from "../../src/storage/batch.ts";
import type { Key } from "../../src/storage/key.ts";
import { partsOf } from "../../src/storage/parts.ts";
import type { Marks } from "./marks.ts";
import type { MailboxPlan, PlannedMessage } from "./plan.ts";

/** What moving came to. */
export interface MovedMessages {
  /** Messages that are in the target now, dead letters included. */
  moved: number;
  /** Messages whose id the target's mailbox had seen by itself: left as they are. */
  known: number;
  /** What could not be moved, and why. */
  readonly problems: string[];
}

/** How messages are moved. */
export interface MoveOptions {
  readonly backend: StorageBackend;
  readonly namespace: Key;
  readonly marks: Marks;
  /** How many times a message may be tried again, by the configuration of the coordinator that will have it. */
  readonly retryAttempts: number;
  /** The time that due times are compared with, in milliseconds since 1970. */
  readonly now: () => number;
  /** So long a dead letter is leased between its arrival and its burial. */
  readonly burialLeaseMs: number;
}

// A message takes a check, an enqueue and a mark.
const CHUNK_SIZE = Math.floor(MAX_BATCH_SIZE / 3);

/** Moves one mailbox. What was moved before is not in the plan; what is moved now is marked in the same step. */
export async function moveMailbox(plan: MailboxPlan, options: MoveOptions): Promise<MovedMessages> {
  const result: MovedMessages = { moved: 0, known: 0, problems: [] };
  const mover = new MailboxMover(plan.agent, options, result);
  await mover.moveDead(plan.dead);
  await mover.moveLive(plan.live);
  return result;
}

class MailboxMover {
  readonly #agent: AgentId;
  readonly #options: MoveOptions;
  readonly #result: MovedMessages;
  readonly #queue: Key;
  readonly #name: string;

  constructor(agent: AgentId, options: MoveOptions, result: MovedMessages) {
    this.#agent = agent;
    this.#options = options;
    this.#result = result;
    this.#queue = new MessageKeys(options.namespace).mailbox(agent);
    this.#name = `${agent.type}/${agent.instance}`;
  }

  /** Sends messages in their order, each together with its mark. What has failed before has so many attempts less. */
  async moveLive(messages: readonly PlannedMessage[]): Promise<void> {
    const { retryAttempts } = this.#options;
    await this.#inChunks(messages, async (chunk) => {
      const batches = chunk.map((planned): Batch => {
        const mark = this.#mark(planned);
        const send = this.#send(planned, retryAttempts + 1 - planned.message.attempts);
        return { checks: mark.checks, operations: [send, ...mark.operations] };
      });
      const results = await this.#commit(mergeBatches(...batches));
      const known = results.filter((result) => result.type === "enqueue" && result.duplicate).length;
      this.#result.known += known;
      this.#result.moved += chunk.length - known;
    });
  }

  /**
   * Sends dead letters, takes them out again, and gives them up with their errors. Nothing else may be in line then: it
   * would be taken too. So they go before all others, and wait for another run where the mailbox is in use.
   */
  async moveDead(messages: readonly PlannedMessage[]): Promise<void> {
    if (messages.length === 0) return;
    const { backend, retryAttempts } = this.#options;
    const own = new Set(messages.map(({ id }) => id));
    for await (const { id } of backend.messages(this.#queue, "ready")) {
      if (own.has(id)) continue; // an earlier run was cut off before it took it out
      this.#result.problems.push(
        `${messages.length} dead letters of ${this.#name} were left: the mailbox here has messages in line; ` +
          "run the import again when it has none",
      );
      return;
    }
    await this.#inChunks(messages, async (chunk) => {
      await this.#commit({ operations: chunk.map((planned) => this.#send(planned, retryAttempts + 1)) });
      await this.#bury(chunk);
    });
  }

  /** Gives up messages that were just sent, or by a run that was cut off, as soon as they can be leased. */
  async #bury(chunk: readonly PlannedMessage[]): Promise<void> {
    const { backend, burialLeaseMs } = this.#options;
    const waiting = new Map(chunk.map((planned) => [planned.id, planned]));
    const deadline = performance.now() + 3 * burialLeaseMs;
    while (waiting.size > 0) {
      const deliveries = await backend.claim(this.#queue, { leaseMs: burialLeaseMs, limit: CHUNK_SIZE });
      await this.#buryDelivered(deliveries, waiting);
      if (deliveries.length > 0) continue;
      const { nextDueInMs } = await backend.stats(this.#queue);
      const isLate = performance.now() > deadline;
      if (nextDueInMs !== null && !isLate) await sleep(Math.min(nextDueInMs + 1, burialLeaseMs));
      else break; // the mailbox had seen their ids before
    }
    this.#result.known += waiting.size;
  }

  async #buryDelivered(deliveries: readonly Delivery[], waiting: Map<string, PlannedMessage>): Promise<void> {
    const batches = deliveries.map(({ id, token }): Batch => {
      const planned = waiting.get(id);
      const lease = { queue: this.#queue, id, token };
      if (planned === undefined) return { operations: [{ type: "retry", ...lease }] }; // became due just now
      const mark = this.#mark(planned);
      const error = planned.message.lastError;
      const bury: Operation = { type: "bury", ...lease, ...(error !== undefined && { error }) };
      return { checks: mark.checks, operations: [bury, ...mark.operations] };
    });
    if (batches.length > 0) await this.#commit(mergeBatches(...batches));
    for (const { id } of deliveries) if (waiting.delete(id)) this.#result.moved++;
  }

  /** Goes on one by one where a chunk cannot be taken as a whole, so that one message keeps back no other. */
  async #inChunks(
    messages: readonly PlannedMessage[],
    move: (chunk: readonly PlannedMessage[]) => Promise<void>,
  ): Promise<void> {
    for (const chunk of partsOf(messages, CHUNK_SIZE)) {
      try {
        await move(chunk);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        for (const planned of chunk) await this.#moveAlone(planned, move);
      }
    }
  }

  async #moveAlone(
    planned: PlannedMessage,
    move: (chunk: readonly PlannedMessage[]) => Promise<void>,
  ): Promise<void> {
    try {
      await move([planned]);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      this.#result.problems.push(`the message ${planned.id} of ${this.#name} was left: ${error.message}`);
    }
  }

  async #commit(batch: Batch): Promise<readonly OperationResult[]> {
    const result = await this.#options.backend.commit(batch);
    if (result.committed) return result.results;
    throw new Error(`Cannot move ${this.#name}: somebody else is at it (${result.reason}); run the import again`);
  }

  #mark({ id, message }: PlannedMessage) {
    return this.#options.marks.set(this.#options.marks.message(this.#agent, id), message.identity);
  }

  #send({ id, message, dueAtMs }: PlannedMessage, maxAttempts: number): EnqueueOperation {
    const nowMs = this.#options.now();
    const sent = toMessage(message.sender, this.#agent, { ...message.input, messageId: id }, nowMs);
    return {
      type: "enqueue",
      queue: this.#queue,
      id,
      value: encodeMessage(sent),
      priority: sent.priority,
      delayMs: Math.max(0, Math.ceil(dueAtMs - nowMs)),
      maxAttempts: Math.max(1, maxAttempts),
      dedupeMs: DEFAULT_CONFIGURATION.dedupeWindowMs,
      capacity: Number.MAX_SAFE_INTEGER, // what was accepted there is not refused here
    };
  }
}

/** Whether the backend will never take it. */
function isRefusal(error: unknown): error is Error {
  return error instanceof TypeError || error instanceof RangeError ||
    error instanceof CoordinationError && error.code === "VALUE_TOO_LARGE";
}
