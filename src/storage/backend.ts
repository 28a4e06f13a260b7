/** The contract that every engine fulfils and every primitive is written against. @module */

import type { JsonValue } from "./json.ts";
import type { Key } from "./key.ts";

/** What a backend is, for those who choose between backends and for the conformance suite. */
export interface BackendTraits {
  /** Whether what was committed survives the end of the process. */
  readonly durable: boolean;
  /** Whether other processes see the same data. */
  readonly shared: boolean;
  /** Whether listeners are woken by the engine; `false` where they are woken by a poll of `wakeWithinMs`. */
  readonly pushes: boolean;
  /** How long at most, in milliseconds and in a healthy system, a listener waits to be woken. */
  readonly wakeWithinMs: number;
  /** Whose time decides about leases, delays and expiry: the engine's own, or the injected `Clock`. */
  readonly clock: "engine" | "injected";
  /** The precision of times and delays, in milliseconds. */
  readonly timePrecisionMs: number;
  /** The largest value, in bytes of JSON text as UTF-8. */
  readonly maxValueBytes: number;
  /**
   * How many checks and operations, together, a batch may have: {@linkcode MAX_BATCH_SIZE}, or fewer, but not below 10,
   * where the engine takes no more for certain. A larger batch may be refused with a `RangeError`.
   */
  readonly maxBatchSize: number;
}

/** A stored record. */
export interface Entry {
  /** Where it is stored. */
  readonly key: Key;
  /** What is stored. A copy: changing it changes nothing in the store. */
  readonly value: JsonValue;
  /**
   * Changes at every write; what `checks` compare. Opaque, never used twice for one key, and telling nothing without
   * it.
   */
  readonly version: string;
  /** When it expires, in milliseconds since the Unix epoch by the backend's time. */
  readonly expiresAtMs?: number;
  /** Whether `changes` tells of it. */
  readonly tracked?: true;
}

/** How to page through a sorted listing. */
export interface ListOptions {
  /** At most so many: an integer from 0, or `Infinity`. @default {Infinity} */
  readonly limit?: number;
  /** From the last to the first. @default {false} */
  readonly reverse?: boolean;
  /** Continue behind this key, in the direction of the listing. */
  readonly after?: Key;
}

/** Everything that one atomic step does. At most `traits.maxBatchSize` checks and operations. */
export interface Batch {
  /** What must hold, or nothing happens. */
  readonly checks?: readonly Check[];
  /** What happens, in this order. No key and no message may appear twice. */
  readonly operations: readonly Operation[];
  /** Topics whose listeners are woken once the batch is committed. Queues that get messages are woken anyway. */
  readonly notify?: readonly Key[];
}

/** Requires that a record has this version; `null`: that there is none. */
export interface Check {
  /** The record. */
  readonly key: Key;
  /** The version that it must have. */
  readonly version: string | null;
}

/** One write of a {@linkcode Batch}. */
export type Operation =
  | SetOperation
  | DeleteOperation
  | EnqueueOperation
  | AckOperation
  | RetryOperation
  | BuryOperation
  | ExtendOperation
  | RedriveOperation
  | PurgeOperation;

/** Stores a record, replacing the one with this key. */
export interface SetOperation {
  /** Names the operation. */
  readonly type: "set";
  /** The key of the record. */
  readonly key: Key;
  /** What is stored: JSON. */
  readonly value: JsonValue;
  /** How long until the record is gone. @default {Infinity} */
  readonly expiresInMs?: number;
  /**
   * Whether `changes` tells of this record, to those who ask for its parent: the key without its last
   * part. @default {false}
   */
  readonly tracked?: boolean;
}

/** Deletes a record, if there is one. */
export interface DeleteOperation {
  /** Names the operation. */
  readonly type: "delete";
  /** The key of the record. */
  readonly key: Key;
}

/** Puts a message into a queue, unless the queue has seen its id within the dedupe window or still holds it. */
export interface EnqueueOperation {
  /** Names the operation. */
  readonly type: "enqueue";
  /** The queue that gets the message. */
  readonly queue: Key;
  /** Names the message in its queue: 1 to 256 characters. */
  readonly id: string;
  /** The content of the message: JSON. */
  readonly value: JsonValue;
  /** 0 to 9, the highest first. */
  readonly priority: number;
  /** How long until the message is due. @default {0} */
  readonly delayMs?: number;
  /** How many times it may be delivered before it is dead. */
  readonly maxAttempts: number;
  /** How long at least the queue remembers the id, and less than twice that, whatever is sent meanwhile. */
  readonly dedupeMs: number;
  /** How many ready, delayed and leased messages the queue may hold; over that, the batch is refused as `full`. */
  readonly capacity: number;
}

/** Names a delivery, for the operations that settle it. */
export interface Lease {
  /** The queue of the message. */
  readonly queue: Key;
  /** The id of the message. */
  readonly id: string;
  /** What `claim` gave with the message; each delivery has another. */
  readonly token: string;
}

/** The message is done with: it leaves the queue. */
export interface AckOperation extends Lease {
  /** Names the operation. */
  readonly type: "ack";
}

/** The message is to be delivered again after a delay, or is dead when its attempts are used up. */
export interface RetryOperation extends Lease {
  /** Names the operation. */
  readonly type: "retry";
  /** How long the message is not delivered. @default {0} */
  readonly delayMs?: number;
  /** What went wrong, for the dead-letter queue. */
  readonly error?: string;
}

/** The message goes to the dead-letter queue now. */
export interface BuryOperation extends Lease {
  /** Names the operation. */
  readonly type: "bury";
  /** Why; kept as `lastError`. Left out, the former one is kept. */
  readonly error?: string;
}

/** The lease ends `leaseMs` from now. Among leases that end at the same moment, the order of delivery still counts. */
export interface ExtendOperation extends Lease {
  /** Names the operation. */
  readonly type: "extend";
  /** How long the lease lasts, from now. */
  readonly leaseMs: number;
}

/**
 * A dead message becomes due again, with its attempts at zero and its last error kept; never refused as full. Does
 * nothing when it is not dead.
 */
export interface RedriveOperation {
  /** Names the operation. */
  readonly type: "redrive";
  /** The queue of the message. */
  readonly queue: Key;
  /** The id of the message. */
  readonly id: string;
}

/** A message is removed, whatever its state; a lease on it is lost. Does nothing when there is none. */
export interface PurgeOperation {
  /** Names the operation. */
  readonly type: "purge";
  /** The queue of the message. */
  readonly queue: Key;
  /** The id of the message. */
  readonly id: string;
}

/** What a batch came to: committed as a whole, or refused as a whole. */
export type CommitResult = Committed | Refused;

/** The batch happened, with one result for each operation, in their order. */
export interface Committed {
  /** Tells it from {@linkcode Refused}. */
  readonly committed: true;
  /** One result for each operation, in their order. */
  readonly results: readonly OperationResult[];
}

/** Nothing happened, because of the first check or operation that could not be. */
export interface Refused {
  /** Tells it from {@linkcode Committed}. */
  readonly committed: false;
  /** `conflict`: a check did not hold; `full`: a queue is full; `lease_lost`: a lease has ended or was never held. */
  readonly reason: "conflict" | "full" | "lease_lost";
  /** Which one: an index into `checks` for a conflict, else into `operations`. */
  readonly index: number;
}

/** What one operation did. */
export type OperationResult =
  | { readonly type: "set"; readonly version: string }
  | { readonly type: "delete"; readonly existed: boolean }
  | { readonly type: "enqueue"; readonly duplicate: boolean }
  | { readonly type: "ack" }
  | { readonly type: "retry"; readonly state: "ready" | "delayed" | "dead" }
  | { readonly type: "bury" }
  | { readonly type: "extend"; readonly leaseExpiresAtMs: number }
  | { readonly type: "redrive"; readonly found: boolean }
  | { readonly type: "purge"; readonly found: boolean };

/** A page of what has changed among the tracked records of one parent. `deleted` is to be applied before `entries`. */
export interface Changes {
  /** Those that were written since, as they are now, in the order in which they were written; none of them twice. */
  readonly entries: readonly Entry[];
  /** The keys of those that were deleted since. Of one that expired nothing is told: its entry says when. */
  readonly deleted: readonly Key[];
  /** Where to go on. Opaque. */
  readonly cursor: string;
  /** Whether there is more behind the cursor by now. */
  readonly more: boolean;
  /** Whether what the reader knows is void, and this is the first page of everything: `after` is not known any more. */
  readonly reset: boolean;
  /** The backend's time, by which records expire. */
  readonly nowMs: number;
}

/** How to lease messages. */
export interface ClaimOptions {
  /** How long the lease lasts, unless it is extended. */
  readonly leaseMs: number;
  /** At most so many messages. @default {1} */
  readonly limit?: number;
}

/** Where a message stands. */
export type MessageState = "ready" | "delayed" | "leased" | "dead";

/** A message with its place in a queue. */
export interface StoredMessage {
  /** The queue that it is in. */
  readonly queue: Key;
  /** Names it in its queue. */
  readonly id: string;
  /** Its content. */
  readonly value: JsonValue;
  /** 0 to 9; the highest is delivered first. */
  readonly priority: number;
  /** Where it stands. */
  readonly state: MessageState;
  /** How many times it was delivered since it was sent or redriven. */
  readonly attempts: number;
  /** How many deliveries it may have. */
  readonly maxAttempts: number;
  /** When it was accepted, by the backend's time. */
  readonly enqueuedAtMs: number;
  /** When it is or was due (ready, delayed), when its lease ends (leased), when it died (dead). */
  readonly dueAtMs: number;
  /** What went wrong the last time, if anything did. */
  readonly lastError?: string;
}

/** A message that is leased to the caller of `claim`. */
export interface Delivery extends Lease {
  /** The content of the message. */
  readonly value: JsonValue;
  /** 0 to 9; the highest is delivered first. */
  readonly priority: number;
  /** 1 for the first delivery. */
  readonly attempt: number;
  /** How many deliveries the message may have. */
  readonly maxAttempts: number;
  /** When it was accepted, in milliseconds since 1970. */
  readonly enqueuedAtMs: number;
  /** When the lease ends, in milliseconds since 1970, by the clock of the backend. */
  readonly leaseExpiresAtMs: number;
  /** Why the delivery before this one failed. */
  readonly lastError?: string;
}

/** How many messages a queue holds, by state. */
export interface QueueStats {
  /** Messages that can be claimed now. */
  readonly ready: number;
  /** Messages that are due later. */
  readonly delayed: number;
  /** Messages that are being worked on. */
  readonly leased: number;
  /** Messages that are given up. */
  readonly dead: number;
  /** How long until a delayed message is due or a lease ends, whichever comes first; `null` when there is neither. */
  readonly nextDueInMs: number | null;
}

/** Whether a backend answers. */
export interface Health {
  /** Whether the engine answered. */
  readonly healthy: boolean;
  /** How long it took to answer, or to give up. */
  readonly latencyMs: number;
  /** Why it is not healthy, free of credentials. */
  readonly error?: string;
}

/** Ends a listening at once, whether the engine can be told of it or not. Idempotent. */
export type Unlisten = () => Promise<void>;

/** The error that a message carries whose lease ended before it was settled. */
export const LEASE_EXPIRED_ERROR = "the lease expired before the message was settled";

/** The most checks and operations, together, in one batch; some engines take fewer, as their traits say. */
export const MAX_BATCH_SIZE = 100;

/**
 * Records and queues on some engine, with one door for all writes.
 *
 * Records are ordered by key. A queue is made by the first message sent to it and gone when it is empty. Its messages
 * stand in line by priority, then by the moment at which they became due: when they were sent (plus their delay), were
 * retried (plus its delay), were redriven, or when a `claim`, `recover`, `messages` or `stats` noticed that their lease
 * had expired; then in the order of those events. Each of those four first moves every message of an expired lease back
 * into the line, or to the dead-letter queue when it has no attempt left. A lease, a delay or a time to live is over at
 * exactly its end.
 *
 * Every method may throw {@linkcode BackendUnavailableError} or {@linkcode BackendClosedError}, `TypeError` or
 * `RangeError` for a caller's mistake, and never waits without bound.
 */
export interface StorageBackend extends AsyncDisposable {
  /** What to call it in logs; free of credentials. */
  readonly name: string;
  /** What it is able to do. */
  readonly traits: BackendTraits;

  /** The records with these keys, `null` where there is none. */
  get(keys: readonly Key[]): Promise<(Entry | null)[]>;
  /** The records below a prefix in the order of their keys, read in pages; the prefix itself is not below it. */
  list(prefix: Key, options?: ListOptions): AsyncIterable<Entry>;
  /** How many records are below a prefix. */
  count(prefix: Key): Promise<number>;
  /** Deletes all records below a prefix, in several steps where they are many, and tells how many they were. */
  clear(prefix: Key): Promise<number>;

  /**
   * What has changed among the tracked records right below `parent` since the cursor `after`; without one, all of them.
   * Tells of every commit that resolved before the call. A backend may forget deletions after a while, and then begins
   * from the start (`reset`).
   */
  changes(parent: Key, after?: string): Promise<Changes>;

  /** The one write door: all of the batch, or nothing. */
  commit(batch: Batch): Promise<CommitResult>;

  /** Leases due messages to the caller, in the order of the line. */
  claim(queue: Key, options: ClaimOptions): Promise<Delivery[]>;
  /** Ends expired leases, in one queue or in all, and tells how many they were. */
  recover(queue?: Key): Promise<number>;
  /** The messages in one state: in line (ready), by due time (delayed), by the end of the lease, by time of death. */
  messages(queue: Key, state: MessageState, options?: MessageListOptions): AsyncIterable<StoredMessage>;
  /** How many messages a queue holds. */
  stats(queue: Key): Promise<QueueStats>;
  /** The queues below a prefix that hold a message in any state, in the order of their keys. */
  queues(prefix?: Key): AsyncIterable<Key>;

  /**
   * Calls `wake` after messages come into the queue `topic`, and after a commit that notifies `topic`. A hint: a wake
   * may come for nothing, or, after an outage, not at all. Resolves once later commits are noticed.
   */
  listen(topic: Key, wake: () => void): Promise<Unlisten>;
  /** Whether the engine answers, and how fast. Never throws. */
  ping(): Promise<Health>;
  /** Waits for the calls under way, then lets go of everything. Idempotent; later calls throw `BACKEND_CLOSED`. */
  close(): Promise<void>;
}

/** How to page through messages. */
export interface MessageListOptions {
  /** At most so many: an integer from 0, or `Infinity`. @default {Infinity} */
  readonly limit?: number;
}
