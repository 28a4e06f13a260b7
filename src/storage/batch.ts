/** Checks a batch before any engine sees it, and encodes its keys and values once for all of them. @module */

import {
  DURATION,
  type OptionNames,
  POSITIVE_DURATION,
  requireBoolean,
  requireNumber,
  requireOptions,
  requireString,
  requireWellFormed,
  typeName,
} from "../check.ts";
import {
  type Batch,
  type Check,
  type ClaimOptions,
  type Lease,
  type ListOptions,
  MAX_BATCH_SIZE,
  type MessageListOptions,
  type MessageState,
  type Operation,
} from "./backend.ts";
import { encodeKey, type Key } from "./key.ts";

/** The most characters of a message id. */
export const MAX_MESSAGE_ID_LENGTH = 256;

/** The most characters of an error that a message carries; longer ones are cut. */
export const MAX_ERROR_LENGTH = 4096;

/** The most messages that one claim leases. */
export const MAX_CLAIM_LIMIT = 1000;

/** A checked batch: keys as encoded strings, values as the engine wants them, defaults filled in. */
export interface PreparedBatch<Value> {
  readonly checks: readonly { readonly key: string; readonly version: string | null }[];
  readonly operations: readonly PreparedOperation<Value>[];
  readonly notify: readonly string[];
}

/** A lease of a checked batch. */
export interface PreparedLease {
  readonly queue: string;
  readonly id: string;
  readonly token: string;
}

/** A message to enqueue, of a checked batch. */
export interface PreparedEnqueue<Value> {
  readonly type: "enqueue";
  readonly queue: string;
  readonly id: string;
  readonly value: Value;
  readonly priority: number;
  readonly delayMs: number;
  readonly maxAttempts: number;
  readonly dedupeMs: number;
  readonly capacity: number;
}

/** A record to store, of a checked batch. */
export interface PreparedSet<Value> {
  readonly type: "set";
  readonly key: string;
  readonly value: Value;
  readonly expiresInMs: number | null;
  readonly tracked: boolean;
}

/** An operation of a checked batch. */
export type PreparedOperation<Value> =
  | PreparedSet<Value>
  | { readonly type: "delete"; readonly key: string }
  | PreparedEnqueue<Value>
  | PreparedLease & { readonly type: "ack" }
  | PreparedLease & { readonly type: "retry"; readonly delayMs: number; readonly error: string | null }
  | PreparedLease & { readonly type: "bury"; readonly error: string | null }
  | PreparedLease & { readonly type: "extend"; readonly leaseMs: number }
  | { readonly type: "redrive" | "purge"; readonly queue: string; readonly id: string };

/**
 * Checks a batch and encodes it. `encodeValue` makes of a value what the engine stores, and refuses what it cannot.
 *
 * @throws {TypeError | RangeError} Naming the field and the rule that it breaks.
 */
export function prepareBatch<Value>(
  batch: Batch,
  encodeValue: (value: unknown, path: string) => Value,
): PreparedBatch<Value> {
  requireBatch(batch);
  const size = batch.operations.length + (batch.checks?.length ?? 0);
  if (size > MAX_BATCH_SIZE) {
    throw new RangeError(
      `Cannot commit the batch: at most ${MAX_BATCH_SIZE} checks and operations go together, got ${size}`,
    );
  }
  const checks = batch.checks?.map(prepareCheck) ?? [];
  const [only] = batch.operations;
  const operations = only && batch.operations.length === 1
    ? [prepareOperation(only, encodeValue)]
    : batch.operations.map((operation, index) => {
      try {
        return prepareOperation(operation, encodeValue);
      } catch (error) {
        // Which one is said here and not in every check, where making the words would cost more than the check.
        if (error instanceof Error) error.message += ` (in operations[${index}])`;
        throw error;
      }
    });
  if (operations.length > 1) requireDistinct(operations);
  return { checks, operations, notify: batch.notify?.map(encodeKey) ?? [] };
}

function prepareCheck(
  { key, version }: Check,
  index: number,
): { readonly key: string; readonly version: string | null } {
  if (version !== null) requireString(`checks[${index}].version`, version, 1, 256);
  return { key: encodeKey(key), version };
}

const LISTS = ["checks", "notify"] as const;

/**
 * Requires that a batch is one in outline, for those who look into it before an engine checks it in full.
 *
 * @throws {TypeError} Naming what is not there.
 */
export function requireBatch(batch: Batch): Batch {
  if (typeof batch !== "object" || batch === null || !Array.isArray(batch.operations)) {
    throw new TypeError("Cannot commit the batch: operations must be an array");
  }
  // Most batches have neither: looking for them by name would cost as much as all the rest.
  if (batch.checks !== undefined || batch.notify !== undefined) requireLists(batch);
  for (let index = 0; index < batch.operations.length; index++) {
    const operation: unknown = batch.operations[index];
    if (typeof operation === "object" && operation !== null) continue;
    throw new TypeError(
      `Cannot commit the batch: operations[${index}] must be an operation, got ${typeName(operation)}`,
    );
  }
  return batch;
}

function requireLists(batch: Batch): void {
  for (const list of LISTS) {
    if (batch[list] !== undefined && !Array.isArray(batch[list])) {
      throw new TypeError(`Cannot commit the batch: ${list} must be an array`);
    }
  }
  const noCheck = batch.checks?.findIndex((check) => typeof check !== "object" || check === null) ?? -1;
  if (noCheck >= 0) {
    const type = typeName(batch.checks?.[noCheck]);
    throw new TypeError(`Cannot commit the batch: checks[${noCheck}] must be a check, got ${type}`);
  }
}

/** A checked claim: the encoded queue and every option filled in. */
export interface PreparedClaim {
  readonly queue: string;
  readonly leaseMs: number;
  readonly limit: number;
}

/**
 * Checks a claim.
 *
 * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
 */
export function prepareClaim(queue: Key, options: ClaimOptions): PreparedClaim {
  requireOptions("claim()", options, CLAIM_OPTIONS);
  const { leaseMs, limit = 1 } = options;
  requireNumber("leaseMs", leaseMs, POSITIVE_DURATION);
  requireNumber("limit", limit, { min: 1, max: MAX_CLAIM_LIMIT, integer: true });
  return { queue: encodeName(queue), leaseMs, limit };
}

const CLAIM_OPTIONS: OptionNames<ClaimOptions> = { leaseMs: true, limit: true };

/**
 * Checks the options of a listing of records, and gives its limit.
 *
 * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
 */
export function listLimit(options: ListOptions): number {
  requireOptions("list()", options, LIST_OPTIONS);
  return requireLimit(options.limit);
}

const LIST_OPTIONS: OptionNames<ListOptions> = {
  limit: true,
  reverse: requireBoolean,
  after: (_field, key) => void encodeKey(key as Key), // which says what is wrong with one that is none
};

/**
 * Checks the options of a listing of messages, and gives its limit.
 *
 * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
 */
export function messagesLimit(options: MessageListOptions): number {
  requireOptions("messages()", options, MESSAGE_LIST_OPTIONS);
  return requireLimit(options.limit);
}

const MESSAGE_LIST_OPTIONS: OptionNames<MessageListOptions> = { limit: true };

/**
 * Checks a cursor of a feed of changes: one that nobody has given is for the engine to tell.
 *
 * @throws {TypeError} When it is no string.
 */
export function requireCursor(after: string | undefined): string | undefined {
  return after === undefined ? undefined : requireString("after", after, 0, Infinity);
}

/**
 * Checks how many items a listing may give.
 *
 * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
 */
export function requireLimit(limit: number = Infinity): number {
  return requireNumber("limit", limit, { min: 0, max: Infinity, integer: true });
}

/**
 * Checks the state of a message.
 *
 * @throws {TypeError} When it is none.
 */
export function requireState(state: MessageState): MessageState {
  if (!STATES.includes(state)) throw new TypeError(`Cannot use state: it must be one of ${STATES.join(", ")}`);
  return state;
}

const STATES: readonly MessageState[] = ["ready", "delayed", "leased", "dead"];

function prepareOperation<Value>(
  operation: Operation,
  encodeValue: (value: unknown, path: string) => Value,
): PreparedOperation<Value> {
  switch (operation?.type) {
    case "set": {
      const { expiresInMs = Infinity, tracked = false } = operation;
      if (expiresInMs !== Infinity) requireNumber("expiresInMs", expiresInMs, POSITIVE_DURATION);
      if (typeof tracked !== "boolean") {
        throw new TypeError(`Cannot use tracked: it must be a boolean, got ${typeName(tracked)}`);
      }
      return {
        type: "set",
        key: encodeName(operation.key),
        value: encodeValue(operation.value, "value"),
        expiresInMs: expiresInMs === Infinity ? null : expiresInMs,
        tracked,
      };
    }
    case "delete":
      return { type: "delete", key: encodeName(operation.key) };
    case "enqueue":
      return prepareEnqueue(operation, encodeValue);
    case "ack": {
      const { queue, id, token } = prepareLease(operation); // spreading it would take twice as long
      return { type: "ack", queue, id, token };
    }
    case "retry": {
      const { delayMs = 0 } = operation;
      requireNumber("delayMs", delayMs, DURATION);
      return { type: "retry", ...prepareLease(operation), delayMs, error: prepareError(operation.error) };
    }
    case "bury":
      return { type: "bury", ...prepareLease(operation), error: prepareError(operation.error) };
    case "extend":
      requireNumber("leaseMs", operation.leaseMs, POSITIVE_DURATION);
      return { type: "extend", ...prepareLease(operation), leaseMs: operation.leaseMs };
    case "redrive":
    case "purge":
      requireId(operation.id);
      return { type: operation.type, queue: encodeName(operation.queue), id: operation.id };
    default:
      throw new TypeError(`Cannot commit the batch: type is no operation, got ${typeName(operation)}`);
  }
}

function prepareEnqueue<Value>(
  operation: Extract<Operation, { type: "enqueue" }>,
  encodeValue: (value: unknown, path: string) => Value,
): PreparedEnqueue<Value> {
  const { queue, id, value, priority, delayMs = 0, maxAttempts, dedupeMs, capacity } = operation;
  requireId(id);
  requireNumber("priority", priority, { min: 0, max: 9, integer: true });
  requireNumber("delayMs", delayMs, DURATION);
  requireNumber("maxAttempts", maxAttempts, { min: 1, max: 1_000_000, integer: true });
  requireNumber("dedupeMs", dedupeMs, DURATION);
  requireNumber("capacity", capacity, { min: 1, max: Number.MAX_SAFE_INTEGER, integer: true });
  return {
    type: "enqueue",
    queue: encodeName(queue),
    id,
    value: encodeValue(value, "value"),
    priority,
    delayMs,
    maxAttempts,
    dedupeMs,
    capacity,
  };
}

function prepareLease(lease: Lease): PreparedLease {
  requireId(lease.id);
  requireString("token", lease.token, 1, MAX_MESSAGE_ID_LENGTH);
  return { queue: encodeName(lease.queue), id: lease.id, token: lease.token };
}

/** The key of a record or queue. The empty one is a prefix only: nothing could ever list what it names. */
function encodeName(key: Key): string {
  const encoded = encodeKey(key);
  if (encoded === "") throw new RangeError("Cannot use the key: it must have at least one part");
  return encoded;
}

function requireId(id: unknown): void {
  requireWellFormed("id", id, 1, MAX_MESSAGE_ID_LENGTH);
}

/**
 * The error that a message carries, `null` where none is given.
 *
 * @throws {TypeError} When it is no string.
 */
export function prepareError(error: unknown): string | null {
  if (error === undefined) return null;
  return requireString("error", error, 0, Number.MAX_SAFE_INTEGER).slice(0, MAX_ERROR_LENGTH).toWellFormed();
}

/** With every key and every message at most once, each engine may check a batch first and apply it then. */
function requireDistinct(operations: readonly PreparedOperation<unknown>[]): void {
  const seen = new Set<string>();
  operations.forEach((operation, index) => {
    // An encoded key has no NUL, so that the first one says where the id begins, whatever is in that.
    const target = "key" in operation ? operation.key : `${operation.queue}\0${operation.id}`;
    if (seen.has(target)) {
      throw new TypeError(
        `Cannot commit the batch: operations[${index}] is about the same ${
          "key" in operation ? "key" : "message"
        } as an operation before it`,
      );
    }
    seen.add(target);
  });
}

/**
 * One batch of several, to be committed as one atomic step.
 *
 * @throws {TypeError} When one is no batch.
 */
export function mergeBatches(...batches: readonly Batch[]): Batch {
  batches.forEach(requireBatch);
  return {
    checks: batches.flatMap((batch) => batch.checks ?? []),
    operations: batches.flatMap((batch) => batch.operations),
    notify: batches.flatMap((batch) => batch.notify ?? []),
  };
}
