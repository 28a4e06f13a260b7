/** The steps that conformance cases are written in. @module */

import assert from "node:assert/strict";
import type {
  Batch,
  Check,
  Delivery,
  EnqueueOperation,
  Entry,
  Lease,
  MessageState,
  Operation,
  OperationResult,
  Refused,
  SetOperation,
  StorageBackend,
  StoredMessage,
} from "../storage/backend.ts";
import { collect } from "../storage/es2024.ts";
import type { JsonValue } from "../storage/json.ts";
import type { Key } from "../storage/key.ts";
import { LONG_MS } from "./case.ts";

/** The queue of the cases that need only one. */
export const QUEUE: Key = ["queue"];

/** All states, in the order of a message's life. */
export const STATES: readonly MessageState[] = ["ready", "delayed", "leased", "dead"];

/** A message to send, with defaults that no case runs into by chance. */
export function message(id: string, options: Partial<Omit<EnqueueOperation, "type" | "id">> = {}): EnqueueOperation {
  return {
    type: "enqueue",
    queue: QUEUE,
    id,
    value: { id },
    priority: 5,
    maxAttempts: 3,
    dedupeMs: LONG_MS,
    capacity: 100_000,
    ...options,
  };
}

/** A record to store. */
export function record(key: Key, value: JsonValue, expiresInMs?: number): SetOperation {
  return { type: "set", key, value, ...(expiresInMs !== undefined && { expiresInMs }) };
}

/** The part of a delivery that settles it. */
export function lease({ queue, id, token }: Lease): Lease {
  return { queue, id, token };
}

/** Commits what must be committed. */
export async function commit(
  backend: StorageBackend,
  operations: readonly Operation[],
  checks: readonly Check[] = [],
): Promise<readonly OperationResult[]> {
  const result = await backend.commit({ checks, operations });
  if (!result.committed) assert.fail(`refused as ${result.reason} because of ${result.index}`);
  assert.equal(result.results.length, operations.length, "one result for each operation");
  result.results.forEach((each, index) => assert.equal(each.type, operations[index]?.type));
  return result.results;
}

/** Commits any number of operations, in batches of the greatest size that the backend is sure to take. */
export async function commitMany(
  backend: StorageBackend,
  operations: readonly Operation[],
): Promise<OperationResult[]> {
  const { maxBatchSize } = backend.traits;
  const results: OperationResult[] = [];
  for (let start = 0; start < operations.length; start += maxBatchSize) {
    results.push(...await commit(backend, operations.slice(start, start + maxBatchSize)));
  }
  return results;
}

/** Sends messages one after the other, so that their order is certain. */
export async function send(backend: StorageBackend, ...messages: readonly EnqueueOperation[]): Promise<void> {
  for (const each of messages) await commit(backend, [each]);
}

/** Leases messages for a long time. */
export function claim(backend: StorageBackend, limit: number, leaseMs = LONG_MS, queue = QUEUE): Promise<Delivery[]> {
  return backend.claim(queue, { leaseMs, limit });
}

/** Leases the message that must be there. */
export async function claimOne(backend: StorageBackend, leaseMs = LONG_MS, queue = QUEUE): Promise<Delivery> {
  const [delivery, ...others] = await backend.claim(queue, { leaseMs });
  assert.ok(delivery, "a message is to be claimed");
  assert.equal(others.length, 0, "no more than one message is claimed");
  return delivery;
}

/** Leases what there is, and tells the ids in their order. */
export async function claimIds(backend: StorageBackend, limit: number, queue = QUEUE): Promise<string[]> {
  return idsOf(await claim(backend, limit, LONG_MS, queue));
}

/** The ids of messages. */
export function idsOf(messages: readonly { readonly id: string }[]): string[] {
  return messages.map(({ id }) => id);
}

/** The keys below a prefix, as listed. */
export async function listKeys(backend: StorageBackend, prefix: Key): Promise<Key[]> {
  return (await collect(backend.list(prefix))).map(({ key }) => key);
}

/** The messages of a queue in one state. */
export function stored(backend: StorageBackend, state: MessageState, queue = QUEUE): Promise<StoredMessage[]> {
  return collect(backend.messages(queue, state));
}

/** How many messages a queue holds in each state. */
export async function counts(backend: StorageBackend, queue = QUEUE): Promise<Record<MessageState, number>> {
  const { ready, delayed, leased, dead } = await backend.stats(queue);
  return { ready, delayed, leased, dead };
}

/** How many messages a queue holds in each state, where all that are not named are none. */
export function only(expected: Partial<Record<MessageState, number>>): Record<MessageState, number> {
  return { ready: 0, delayed: 0, leased: 0, dead: 0, ...expected };
}

/** The value of a record, which must be there. */
export async function valueOf(backend: StorageBackend, key: Key): Promise<JsonValue> {
  return (await entryOf(backend, key)).value;
}

/** A record, which must be there. */
export async function entryOf(backend: StorageBackend, key: Key): Promise<Entry> {
  const [entry] = await backend.get([key]);
  assert.ok(entry, `there is a record ${JSON.stringify(key)}`);
  return entry;
}

/** Everything that can be seen of a store. */
export interface Dump {
  readonly records: readonly Entry[];
  readonly queues: readonly { readonly key: Key; readonly messages: readonly StoredMessage[] }[];
}

/** Everything that can be seen of a store; looking at queues settles their expired leases. */
export async function dump(backend: StorageBackend): Promise<Dump> {
  const queues = [];
  for (const key of await collect(backend.queues())) {
    const messages = [];
    for (const state of STATES) messages.push(...await collect(backend.messages(key, state)));
    queues.push({ key, messages });
  }
  return { records: await collect(backend.list([])), queues };
}

/** Requires that a batch is refused for this reason, and leaves the store as it was. */
export async function refuse(
  backend: StorageBackend,
  batch: Batch,
  reason: Refused["reason"],
  index: number,
): Promise<void> {
  const before = await dump(backend);
  assert.deepEqual(await backend.commit(batch), { committed: false, reason, index });
  assert.deepEqual(await dump(backend), before, "a refused batch leaves the store as it was");
}

/** Requires that a token is refused for every operation that takes one. */
export async function refuseToken(backend: StorageBackend, stale: Lease): Promise<void> {
  for (const operation of settlements(stale)) await refuse(backend, { operations: [operation] }, "lease_lost", 0);
}

/** Every operation that needs a live lease. */
export function settlements(delivery: Lease): Operation[] {
  const held = lease(delivery);
  return [
    { type: "ack", ...held },
    { type: "retry", ...held },
    { type: "bury", ...held },
    { type: "extend", ...held, leaseMs: LONG_MS },
  ];
}

/** Requires that a call rejects, never throws, and returns the error. */
export async function rejection(call: () => Promise<unknown>): Promise<Error> {
  let promise: Promise<unknown>;
  try {
    promise = call();
  } catch (error) {
    throw new assert.AssertionError({ message: `it throws instead of rejecting: ${error}` });
  }
  const outcome = await promise.then((value) => ({ value }), (error: unknown) => ({ error }));
  if (!("error" in outcome)) assert.fail(`it does not reject, but gives ${JSON.stringify(outcome.value)}`);
  assert.ok(outcome.error instanceof Error, "it rejects with an error");
  return outcome.error;
}

/** The stable code of an error, where it has one. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
