/** A worker: serves an agent's mailbox with a handler, keeping leases alive and stopping cleanly. @module */

import {
  DURATION,
  type OptionNames,
  POSITIVE_DURATION,
  requireFunction,
  requireMethods,
  requireNumber,
  requireOptions,
  requireSignal,
} from "../check.ts";
import { sleep } from "../clock.ts";
import { errorText, isOutage, LeaseLostError, PermanentFailureError, tellSafely } from "../errors.ts";
import { observeProcess } from "../observability/messaging_telemetry.ts";
import { retryAfterMs } from "../resilience/retry_after.ts";
import type { Batch } from "../storage/backend.ts";
import { Bag } from "../storage/bag.ts";
import type { JsonObject } from "../storage/json.ts";
import { retryDelayMs } from "./configuration.ts";
import type { MessageCoordinator } from "./coordinator.ts";
import { Handling } from "./handling.ts";
import type { Inbox } from "./inbox.ts";
import { LeaseKeeper } from "./lease_keeper.ts";
import { type AgentId, type AgentMessage, checkAgentId, type FailureType, type QueueMessage } from "./model.ts";
import type { ReceivedMessage } from "./received.ts";

/** An agent that handles the messages of its mailbox. */
export interface AgentProxy {
  /** Whose mailbox it serves. */
  readonly agentId: AgentId;
  /**
   * Handles one message. Returning acknowledges it; what is returned is the reply when the message is a request.
   * Throwing gives it back to be tried again, or, with a {@linkcode PermanentFailureError}, gives it up. It is tried
   * again after the configured backoff; later, up to `backoffMaxMs`, where the error asks for it by a `retryAfterMs`,
   * as that of an open circuit breaker does, or by a `Retry-After` header.
   */
  process(message: AgentMessage, context: ProcessContext): ProcessResult | PromiseLike<ProcessResult>;
}

/** What a handler may return: the payload of its reply, or nothing. */
export type ProcessResult = JsonObject | void;

/** What a handler is given beside the message. */
export interface ProcessContext {
  /** Aborted when the lease is lost, the time limit is over, or the server is told to stop without waiting. */
  readonly signal: AbortSignal;
  /** Which delivery of this message it is: 1 for the first. */
  readonly attempt: number;
  /** The message with its place in the mailbox: when it was accepted, and what went wrong the last time. */
  readonly queueMessage: QueueMessage;
  /** Adds batches that happen in one atomic step with the acknowledgement, and only then. */
  also(...batches: readonly Batch[]): void;
}

/** How to serve a mailbox. */
export interface ServeOptions {
  /** How many messages are handled at once, 1 to 1000. @default {1} */
  readonly concurrency?: number;
  /**
   * How long a handler may take, in milliseconds; over that it is aborted and has failed with
   * `timeout`. @default {Infinity}
   */
  readonly timeoutMs?: number;
  /**
   * How long a lease lasts, in milliseconds; it is extended while the handler runs. @default {the coordinator's 5000}
   */
  readonly visibilityTimeoutMs?: number;
  /** Stops the server when it is aborted, as `stop()` does. */
  readonly signal?: AbortSignal;
  /**
   * Told of every failure: of a handler, of settling, and of an outage of the backend once. What it throws is ignored.
   */
  readonly onError?: (error: unknown, message?: AgentMessage) => void;
}

const SERVE_OPTIONS: OptionNames<ServeOptions> = {
  concurrency: true,
  timeoutMs: true,
  visibilityTimeoutMs: true,
  signal: requireSignal,
  onError: requireFunction,
};

const requireCoordinator = requireMethods("a MessageCoordinator", "openInbox", "accept");

/** A mailbox that is being served. */
export interface AgentServer extends AsyncDisposable {
  /** How many messages are being handled. */
  readonly running: number;
  /** Resolves once it has stopped; rejects when it cannot go on, as when the backend is closed under it. */
  readonly finished: Promise<void>;
  /**
   * Takes no more messages and waits for those that are being handled; `timeoutMs` later their handlers are aborted,
   * and their messages given back. Such a delivery counts as an attempt: where it was the last, the message is a dead
   * letter, to be put back with `redrive`. Idempotent. A handler that waits for it waits for itself.
   *
   * @throws {TypeError | RangeError} Naming the option and the rule that it breaks; the server goes on then.
   */
  stop(options?: StopOptions): Promise<void>;
}

/** How to stop a server. */
export interface StopOptions {
  /** How long handlers may go on before they are aborted, in milliseconds. @default {Infinity} */
  readonly timeoutMs?: number;
}

/** While the backend is away, it is tried again this often. */
const OUTAGE_MS = 250;

/**
 * Serves the mailbox of `proxy.agentId` until it is stopped, through outages of the backend too.
 *
 * @example
 * ```ts
 * import { MemoryBackend, MessageCoordinator, serveAgent } from "@tta/agent-coordination";
 *
 * await using backend = new MemoryBackend();
 * const coordinator = new MessageCoordinator(backend);
 * await using _server = serveAgent(coordinator, {
 *   agentId: { type: "adder" },
 *   process: ({ payload }) => ({ sum: Number(payload.a) + Number(payload.b) }),
 * });
 * const reply = await coordinator.request({ type: "adder" }, { a: 1, b: 2 });
 * console.log(reply.payload); // { sum: 3 }
 * ```
 *
 * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
 */
export function serveAgent(
  coordinator: MessageCoordinator,
  proxy: AgentProxy,
  options: ServeOptions = {},
): AgentServer {
  return new MailboxServer(coordinator, proxy, options);
}

/** An option that stands among the fields of the agent would do nothing; what a class holds is its own affair. */
function refuseOptionsOf(proxy: AgentProxy): void {
  if (Object.getPrototypeOf(proxy) !== Object.prototype) return;
  const name = Object.keys(SERVE_OPTIONS).find((name) => Object.hasOwn(proxy, name));
  if (name !== undefined) throw new TypeError(`Cannot use ${name}: it belongs to the options, the third argument`);
}

class MailboxServer implements AgentServer {
  readonly finished: Promise<void>;
  readonly #coordinator: MessageCoordinator;
  readonly #proxy: AgentProxy;
  readonly #concurrency: number;
  readonly #timeoutMs: number;
  readonly #leaseMs: number;
  readonly #onError: NonNullable<ServeOptions["onError"]>;
  readonly #inbox: Inbox;
  readonly #leases: LeaseKeeper;
  readonly #stopping = new AbortController();
  readonly #onOutage = (error: Error): void => this.#report(error);
  /** Those whose handler runs, and those that are being settled. */
  readonly #handlings = new Bag<Handling>();
  #running = 0;
  #slotFreed: (() => void) | null = null;
  #drained: (() => void) | null = null;

  constructor(coordinator: MessageCoordinator, proxy: AgentProxy, options: ServeOptions) {
    requireCoordinator("coordinator", coordinator);
    requireOptions("serveAgent()", options, SERVE_OPTIONS);
    const { concurrency = 1, timeoutMs = Infinity, onError = () => {}, signal } = options;
    const { visibilityTimeoutMs = coordinator.configuration.visibilityTimeoutMs } = options;
    checkAgentId("agentId", proxy?.agentId);
    requireFunction("process", proxy.process);
    refuseOptionsOf(proxy);
    this.#concurrency = requireNumber("concurrency", concurrency, { min: 1, max: 1000, integer: true });
    this.#timeoutMs = timeoutMs === Infinity ? Infinity : requireNumber("timeoutMs", timeoutMs, POSITIVE_DURATION);
    this.#leaseMs = requireNumber("visibilityTimeoutMs", visibilityTimeoutMs, POSITIVE_DURATION);
    this.#coordinator = coordinator;
    this.#proxy = proxy;
    this.#onError = onError;
    this.#inbox = coordinator.openInbox(proxy.agentId);
    this.#leases = new LeaseKeeper(coordinator.clock, this.#leaseMs);
    const stop = () => this.#stopping.abort();
    if (signal?.aborted) stop();
    signal?.addEventListener("abort", stop);
    this.finished = this.#serve().finally(() => signal?.removeEventListener("abort", stop));
    this.finished.catch(() => {}); // whoever awaits `finished` or `stop()` is told; nobody has to
  }

  get running(): number {
    return this.#running;
  }

  async stop(options: StopOptions = {}): Promise<void> {
    requireOptions("stop()", options, { timeoutMs: true });
    const { timeoutMs = Infinity } = options;
    if (timeoutMs !== Infinity) requireNumber("timeoutMs", timeoutMs, DURATION);
    this.#stopping.abort();
    const abort = () => {
      const reason = new Error("Cannot go on: the server is being stopped");
      for (const handling of this.#handlings) handling.abort(reason);
    };
    const cancel = timeoutMs === Infinity ? () => {} : this.#coordinator.clock.setTimer(abort, timeoutMs);
    try {
      await this.finished;
    } finally {
      cancel();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #serve(): Promise<void> {
    try {
      while (!this.#stopping.signal.aborted) {
        const received = await this.#take(this.#concurrency - this.#running);
        for (const message of received) void this.#handle(message);
        if (this.#running >= this.#concurrency) await this.#freeSlot();
      }
    } catch (error) {
      this.#report(error);
      throw error;
    } finally {
      if (this.#handlings.size > 0) await new Promise<void>((resolve) => this.#drained = resolve);
      this.#leases.stop();
      await this.#inbox.close();
    }
  }

  async #take(limit: number): Promise<ReceivedMessage[]> {
    const { signal } = this.#stopping;
    try {
      const deliveries = await this.#inbox.take({
        leaseMs: this.#leaseMs,
        limit,
        waitMs: Infinity,
        signal,
        onOutage: this.#onOutage,
      });
      return await this.#coordinator.accept(deliveries);
    } catch (error) {
      if (signal.aborted) return [];
      if (!isOutage(error)) throw error;
      this.#report(error);
      await sleep(this.#coordinator.clock, OUTAGE_MS, signal).catch(() => {});
      return [];
    }
  }

  #freeSlot(): Promise<void> {
    return new Promise((resolve) => this.#slotFreed = resolve);
  }

  async #handle(received: ReceivedMessage): Promise<void> {
    const { message, queueMessage, attempt } = received;
    const handling = new Handling(queueMessage, attempt);
    this.#running++;
    this.#handlings.add(handling);
    const lost = () => handling.abort(new LeaseLostError(message.messageId));
    const release = this.#leases.keep(() => received.extend(this.#leaseMs), lost);
    const cancelTimeout = this.#limitTime(handling);
    const observed = observeProcess(message);
    const within = <Result>(call: () => Result): Result => observed ? observed.run(call) : call();
    let settle: () => Promise<unknown>;
    try {
      const result = await within(() => handling.run(this.#proxy, message));
      observed?.end();
      settle = () => this.#acknowledge(received, result, handling.batches);
    } catch (error) {
      observed?.end(error);
      settle = () => this.#giveBack(received, error);
    } finally {
      cancelTimeout();
      // The slot is free before the settling is written, so that the claim of the next message travels with it.
      this.#running--;
      this.#slotFreed?.();
      this.#slotFreed = null;
    }
    try {
      await within(settle);
    } catch (error) {
      this.#report(error, message);
    } finally {
      release();
      this.#handlings.delete(handling);
      if (this.#handlings.size === 0) this.#drained?.();
    }
  }

  #limitTime(handling: Handling): () => void {
    if (this.#timeoutMs === Infinity) return () => {};
    const error = new HandlerTimeoutError(this.#timeoutMs);
    return this.#coordinator.clock.setTimer(() => handling.abort(error), this.#timeoutMs);
  }

  async #acknowledge(received: ReceivedMessage, result: ProcessResult, also: readonly Batch[]): Promise<void> {
    const { messageId, replyTo, correlationId } = received.message;
    const awaitsReply = replyTo !== undefined && correlationId !== undefined;
    try {
      const isSettled = awaitsReply ? await received.reply(result ?? {}, { also }) : await received.ack({ also });
      // Another receiver has the message by now, and nothing of this handling was stored.
      if (!isSettled) this.#report(new LeaseLostError(messageId), received.message);
    } catch (error) {
      if (isOutage(error)) throw error;
      // What was to happen with the acknowledgement could not be: the message has not been handled.
      await this.#giveBack(received, error);
    }
  }

  async #giveBack(received: ReceivedMessage, error: unknown): Promise<void> {
    this.#report(error, received.message);
    if (error instanceof LeaseLostError) return;
    const delay = this.#delayAfter(error, received.attempt);
    await received.nack({ failure: failureOf(error), error: errorText(error), ...delay });
  }

  /** Where the error says when to come again, as that of an open breaker does, all attempts before would be in vain. */
  #delayAfter(error: unknown, attempt: number): { readonly delayMs?: number } {
    const { clock, configuration } = this.#coordinator;
    const askedMs = retryAfterMs(error, clock.now());
    if (askedMs === null) return {};
    return { delayMs: Math.max(retryDelayMs(configuration, attempt), Math.min(askedMs, configuration.backoffMaxMs)) };
  }

  #report(error: unknown, message?: AgentMessage): void {
    tellSafely(() => this.#onError(error, message));
  }
}

/** A handler took longer than it may. */
class HandlerTimeoutError extends Error {
  constructor(timeoutMs: number) {
    super(`Cannot wait for the handler any longer: it took more than ${timeoutMs} ms`);
    this.name = "HandlerTimeoutError";
  }
}

function failureOf(error: unknown): FailureType {
  if (error instanceof HandlerTimeoutError) return "timeout";
  return error instanceof PermanentFailureError ? "permanent" : "transient";
}
