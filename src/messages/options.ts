/** The options of the coordinator's methods. @module */

import { type OptionCheck, type OptionNames, requireArray, requireSignal } from "../check.ts";
import type { Clock } from "../clock.ts";
import type { MessageMetrics } from "../observability/metrics.ts";
import type { Batch, QueueStats } from "../storage/backend.ts";
import type { Key } from "../storage/key.ts";
import type { CoordinatorConfiguration } from "./configuration.ts";
import type { AgentId, FailureType, MessagePriority } from "./model.ts";

/** How to make a {@linkcode MessageCoordinator}. All settings of its configuration may be given too. */
export interface MessageCoordinatorOptions extends Partial<CoordinatorConfiguration> {
  /** What all of its keys begin with; two namespaces never see each other. @default {"ao"} */
  readonly namespace?: string | Key;
  /** Called at every outcome. @default {new NullMetrics()} */
  readonly metrics?: MessageMetrics;
  /** The source of time for timestamps and waits. @default {systemClock} */
  readonly clock?: Clock;
}

/** How to send. */
export interface SendOptions {
  /** How long until the message is due, in milliseconds. @default {0} */
  readonly delayMs?: number;
}

/** All options of a send. */
export const SEND_OPTIONS: OptionNames<SendOptions> = { delayMs: true };

/** How to broadcast. */
export interface BroadcastOptions extends SendOptions {
  /** Exactly these agents. @default {every subscriber that matches the message's type and topic} */
  readonly recipients?: readonly AgentId[];
}

/** All options of a broadcast. */
export const BROADCAST_OPTIONS: OptionNames<BroadcastOptions> = { ...SEND_OPTIONS, recipients: requireArray };

/** How to receive. */
export interface ReceiveOptions {
  /** How long the message is the receiver's, in milliseconds. @default {the configured 5000} */
  readonly visibilityTimeoutMs?: number;
  /** How long to wait for a message, in milliseconds; may be `Infinity`. @default {0} */
  readonly waitMs?: number;
  /**
   * Ends the wait: the promise is rejected with the signal's reason. A message that is on its way and comes at once is
   * still received; one that comes later is given back, as after a failed delivery.
   */
  readonly signal?: AbortSignal;
  /** Take up to so many messages, 1 to 1000, and get an array. */
  readonly limit?: number;
}

/** All options of receiving. */
export const RECEIVE_OPTIONS: OptionNames<ReceiveOptions> = {
  visibilityTimeoutMs: true,
  waitMs: true,
  signal: requireSignal,
  limit: true,
};

/** How to subscribe. */
export interface SubscribeOptions {
  /** Only messages whose `routing.topic` is one of these. @default {every topic, and messages without one} */
  readonly topics?: readonly string[];
}

/** All options of a subscription. */
export const SUBSCRIBE_OPTIONS: OptionNames<SubscribeOptions> = { topics: true };

/** How to ask. */
export interface RequestOptions {
  /** How long to wait for the reply, in milliseconds. @default {30_000} */
  readonly timeoutMs?: number;
  /** Ends the wait: the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Who asks. @default {{ type: "requester" } with an instance of its own} */
  readonly sender?: AgentId;
  /** The highest is delivered first. @default {5} */
  readonly priority?: MessagePriority;
}

/** All options of a request. */
export const REQUEST_OPTIONS: OptionNames<RequestOptions> = {
  timeoutMs: true,
  signal: requireSignal,
  sender: true,
  priority: true,
};

/** A mailbox and how many messages it holds. */
export interface MailboxStats extends QueueStats {
  /** Whose mailbox it is. */
  readonly agent: AgentId;
}

/** What else happens in the atomic step of an acknowledgement. */
export interface AckOptions {
  /**
   * Batches that other primitives prepared: messages to send, records to store. All of it happens together with the
   * acknowledgement, or none of it.
   */
  readonly also?: Batch | readonly Batch[];
}

/** Requires a batch, or several. */
const requireBatches: OptionCheck = (field, value) => {
  const batches = Array.isArray(value) ? Array.from(value) : [value]; // a hole would be passed over
  const isBatch = (each: unknown) => typeof each === "object" && each !== null && "operations" in each;
  if (!batches.every(isBatch)) {
    throw new TypeError(`Cannot use ${field}: it must be a batch, with its operations, or an array of batches`);
  }
};

/** All options of an acknowledgement. */
export const ACK_OPTIONS: OptionNames<AckOptions> = { also: requireBatches };

/** Why a message is given back. */
export interface NackOptions {
  /** `permanent` goes to the dead-letter queue at once. @default {"transient"} */
  readonly failure?: FailureType;
  /** What went wrong; kept with the message. */
  readonly error?: string;
  /** When to try again, in milliseconds. @default {the configured backoff} */
  readonly delayMs?: number;
}

/** All options of giving a message back. */
export const NACK_OPTIONS: OptionNames<NackOptions> = { failure: true, error: true, delayMs: true };

/** What a call without options goes by: known to hold none, it needs no look. */
export const NO_OPTIONS: Readonly<Record<never, never>> = Object.freeze({});
