/** Decides one batch on a view: refused as a whole, or carried into the draft as a whole. @module */

import type { Committed, MessageState, OperationResult, Refused } from "../../src/storage/backend.ts";
import type { PreparedBatch, PreparedEnqueue, PreparedLease, PreparedOperation } from "../../src/storage/batch.ts";
import { encodedParent } from "../../src/storage/key.ts";
import { encodeChange, encodeFeed, encodeRecord, type Message } from "./codec.ts";
import { DELETIONS_KEPT_MS } from "./changes.ts";
import type { NewContent } from "./content.ts";
import type { Draft } from "./draft.ts";
import { type Layout, slotOfId } from "./layout.ts";
import type { IdState, RecordState, View } from "./view.ts";

/** What batches are decided with. */
export interface Applying {
  readonly view: View;
  readonly draft: Draft;
  readonly layout: Layout;
}

/** What a batch comes to, given the versionstamp of the commit. */
export type Outcome = Refused | ((versionstamp: string) => Committed);

type Operation = PreparedOperation<NewContent>;
type QueueOperation = Extract<Operation, { readonly queue: string }>;

// So near to its capacity a queue is counted exactly, at the price of conflicts between processes that send to it;
// farther away it would take so many messages from elsewhere, within one round trip, to overfill it.
const EXACT_WITHIN = 1000;

/** Decides a batch. Nothing changes when it is refused. */
export function applyBatch(applying: Applying, batch: PreparedBatch<NewContent>): Outcome {
  const { view, draft, layout } = applying;
  const refused = refusal(applying, batch);
  if (refused) {
    // A message that was taken for new may be a duplicate, and then the batch is refused elsewhere, or not at all.
    if (refused.reason !== "conflict" && batch.operations.some((each) => isAssumed(view, each))) view.torn = true;
    return refused;
  }
  for (const { key } of batch.checks) {
    const record = view.record(key);
    if (record.writes === 0) draft.check(`k${key}`, layout.record(key), record.versionstamp);
  }
  const results = batch.operations.map((operation) => apply(applying, operation));
  for (const topic of batch.notify) draft.topics.add(topic);
  return (versionstamp) => ({ committed: true, results: results.map((result) => result(versionstamp)) });
}

/** Why a batch cannot be, before any of it happens. */
function refusal({ view, draft }: Applying, { checks, operations }: PreparedBatch<NewContent>): Refused | null {
  const conflict = checks.findIndex(({ key, version }) => version !== versionOf(view.record(key)));
  if (conflict >= 0) return { committed: false, reason: "conflict", index: conflict };
  const added = new Map<string, number>();
  for (const [index, operation] of operations.entries()) {
    if ("key" in operation) continue;
    const state = view.id(operation.queue, operation.id);
    if ("token" in operation && !holds(state, operation, draft.nowMs)) {
      return { committed: false, reason: "lease_lost", index };
    }
    const growth = growthBy(operation, state, draft.nowMs);
    const before = added.get(operation.queue) ?? 0;
    if (operation.type === "enqueue" && growth > 0) {
      const { versionstamp, count } = view.live(operation.queue);
      const live = count + draft.liveDelta(operation.queue) + before;
      if (live >= operation.capacity) return { committed: false, reason: "full", index };
      if (operation.capacity - live <= EXACT_WITHIN) draft.checkLive(operation.queue, versionstamp);
    }
    added.set(operation.queue, before + growth);
  }
  return null;
}

/** The version that a check has to name; `undefined` where a write of this draft stands, whose version nobody knows. */
function versionOf({ content, versionstamp, writes }: RecordState): string | null | undefined {
  if (content === null) return null;
  return writes === 0 ? versionstamp : undefined;
}

function isAssumed(view: View, operation: Operation): boolean {
  return operation.type === "enqueue" && view.id(operation.queue, operation.id).assumed;
}

function holds({ at }: IdState, { token }: PreparedLease, nowMs: number): boolean {
  return at !== null && at.message.token === token && at.bundle.place.atMs > nowMs;
}

function isDuplicate({ entry, at }: IdState, nowMs: number): boolean {
  return at !== null || (entry !== null && (entry.place !== null || entry.seenUntilMs > nowMs));
}

/** By how many live messages an operation changes its queue. */
function growthBy({ type }: QueueOperation, state: IdState, nowMs: number): number {
  const inState = state.at?.bundle.place.state;
  switch (type) {
    case "enqueue":
      return isDuplicate(state, nowMs) ? 0 : 1;
    case "ack":
    case "bury":
      return -1;
    case "retry":
      return state.at && isUsedUp(state.at.message) ? -1 : 0;
    case "redrive":
      return inState === "dead" ? 1 : 0;
    case "purge":
      return inState !== undefined && inState !== "dead" ? -1 : 0;
    case "extend":
      return 0;
  }
}

function apply(applying: Applying, operation: Operation): (versionstamp: string) => OperationResult {
  switch (operation.type) {
    case "set":
    case "delete":
      return applyToRecord(applying, operation);
    case "enqueue":
      return enqueue(applying, operation);
    default:
      return applyToMessage(applying, operation);
  }
}

function applyToRecord(
  applying: Applying,
  operation: Extract<Operation, { readonly key: string }>,
): (versionstamp: string) => OperationResult {
  const { view, draft, layout } = applying;
  const { key } = operation;
  const record = view.record(key);
  const [slot, recordKey] = [`k${key}`, layout.record(key)];
  const change = tellReaders(applying, operation, record);
  // Without this check, pieces that another process stores in between would be left behind. Where readers are told of
  // a change, that is checked already, once for all of the batch.
  if (record.writes === 0 && change === null) draft.check(slot, recordKey, record.versionstamp);
  const existed = record.content !== null;
  draft.discard(record.stored);
  const write = ++record.writes;
  if (operation.type === "delete") {
    if (record.stored !== null) draft.delete(slot, recordKey);
    record.content = record.stored = null;
    return () => ({ type: "delete", existed });
  }
  const { value, expiresInMs } = operation;
  const expiresAtMs = draft.nowMs + (expiresInMs ?? Infinity);
  draft.add(value, expiresAtMs);
  const stored = { expiresAtMs, content: value.stored, change: record.change };
  draft.set(slot, recordKey, encodeRecord(stored), expiresAtMs);
  record.content = record.stored = value.stored;
  // What is overwritten within one atomic was never seen: it gets a version that no record ever has.
  return (versionstamp) => ({
    type: "set",
    version: record.writes === write ? versionstamp : `${versionstamp}.${write}`,
  });
}

/**
 * Notes a change of a tracked record for those who read the changes of its parent, and gives its number; `null` where
 * there is nothing to tell. All of a parent's changes are numbered one after the other, so that whoever numbers one
 * checks that nobody else has.
 */
function tellReaders(
  { view, draft, layout }: Applying,
  operation: Extract<Operation, { readonly key: string }>,
  record: RecordState,
): number | null {
  const isTracked = operation.type === "set" && operation.tracked;
  if (!isTracked && record.change === 0) return null;
  const { key } = operation;
  const parent = encodedParent(key);
  const feed = view.feed(parent);
  const slotOfChange = (number: number) => `g${parent}${number}`;
  draft.check(`f${parent}`, layout.feed(parent), feed.versionstamp);
  const number = ++feed.last;
  if (record.change > 0) draft.delete(slotOfChange(record.change), layout.change(parent, record.change));
  const expiresInMs = isTracked ? operation.expiresInMs ?? Infinity : DELETIONS_KEPT_MS;
  const change = encodeChange(key, !isTracked);
  draft.set(slotOfChange(number), layout.change(parent, number), change, draft.nowMs + expiresInMs);
  draft.set(`f${parent}`, layout.feed(parent), encodeFeed(feed));
  record.change = isTracked ? number : 0;
  return number;
}

function enqueue({ view, draft, layout }: Applying, operation: PreparedEnqueue<NewContent>): () => OperationResult {
  const { queue, id, value, priority, delayMs, maxAttempts, dedupeMs } = operation;
  const state = view.id(queue, id);
  if (isDuplicate(state, draft.nowMs)) {
    // What was written ahead is of no use.
    if (value.pieces.length === 0) draft.discard(value.stored);
    return () => ({ type: "enqueue", duplicate: true });
  }
  const message: Message = {
    id,
    priority,
    attempts: 0,
    maxAttempts,
    enqueuedAtMs: draft.nowMs,
    seenUntilMs: draft.nowMs + dedupeMs,
    lastError: null,
    token: "",
    content: value.stored,
  };
  draft.check(slotOfId(queue, id), layout.id(queue, id), state.versionstamp);
  draft.add(value);
  put(draft, queue, state, { to: delayMs > 0 ? "delayed" : "ready", afterMs: delayMs }, message);
  draft.topics.add(queue);
  return () => ({ type: "enqueue", duplicate: false });
}

function applyToMessage(
  { view, draft }: Applying,
  operation: Exclude<QueueOperation, { type: "enqueue" }>,
): () => OperationResult {
  const { type, queue, id } = operation;
  const state = view.id(queue, id);
  switch (type) {
    case "ack":
    case "purge": {
      if (state.at === null) return () => ({ type: "purge", found: false });
      const { content, seenUntilMs } = take(draft, state);
      draft.discard(content);
      draft.remember(queue, id, state.entry = { seenUntilMs, place: null });
      return () => type === "ack" ? { type } : { type, found: true };
    }
    case "retry": {
      const { delayMs, error } = operation;
      const message = fail(take(draft, state), error);
      const to = isUsedUp(message) ? "dead" : delayMs > 0 ? "delayed" : "ready";
      put(draft, queue, state, { to, afterMs: to === "dead" ? 0 : delayMs }, message);
      draft.topics.add(queue);
      return () => ({ type, state: to });
    }
    case "bury":
      put(draft, queue, state, { to: "dead", afterMs: 0 }, fail(take(draft, state), operation.error));
      return () => ({ type });
    case "redrive":
      if (state.at?.bundle.place.state !== "dead") return () => ({ type, found: false });
      put(draft, queue, state, { to: "ready", afterMs: 0 }, { ...take(draft, state), attempts: 0 });
      draft.topics.add(queue);
      return () => ({ type, found: true });
    case "extend": {
      const { leaseMs } = operation;
      put(draft, queue, state, { to: "leased", afterMs: leaseMs }, take(draft, state));
      return () => ({ type, leaseExpiresAtMs: draft.nowMs + leaseMs });
    }
  }
}

/** Takes a message from where it is. */
function take(draft: Draft, state: IdState): Message {
  // deno-coverage-ignore -- it was looked for: this tells of a fault in the looking
  if (state.at === null) throw new Error("Cannot take the message: it was not found");
  const { bundle, message } = state.at;
  draft.take(bundle, message);
  state.at = null;
  return message;
}

/** Puts a message to another place, and notes there where it is. */
function put(
  draft: Draft,
  queue: string,
  state: IdState,
  { to, afterMs }: { readonly to: MessageState; readonly afterMs: number },
  message: Message,
): void {
  const place = { state: to, priority: message.priority, atMs: draft.nowMs + afterMs };
  const bundle = draft.put(queue, place, message);
  state.at = { bundle, message };
  draft.remember(queue, message.id, state.entry = { seenUntilMs: message.seenUntilMs, place: bundle.place });
}

/** A message whose lease has ended. */
function fail(message: Message, error: string | null): Message {
  return { ...message, token: "", lastError: error ?? message.lastError };
}

function isUsedUp({ attempts, maxAttempts }: Message): boolean {
  return attempts >= maxAttempts;
}
