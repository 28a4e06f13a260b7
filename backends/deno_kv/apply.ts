/** Decides one batch on a view: refused as a whole, or carried into the draft as a whole. @module */

import type { Committed, MessageState, OperationResult, Refused } from "../../src/storage/backend.ts";
import type { PreparedBatch, PreparedEnqueue, PreparedLease, PreparedOperation } from "../../src/storage/batch.ts";
import { encodeRecord, type IdEntry, type Message, piecesOf } from "./codec.ts";
import type { NewContent } from "./content.ts";
import type { Draft } from "./draft.ts";
import type { Layout, Place } from "./layout.ts";
import type { Leases } from "./leases.ts";
import type { Ranks } from "./ranks.ts";
import type { IdState, RecordState, View } from "./view.ts";

/** What batches are decided with. */
export interface Applying {
  readonly view: View;
  readonly draft: Draft;
  readonly layout: Layout;
  readonly ranks: Ranks;
  readonly leases: Leases;
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
    // Of what was taken for granted, something that comes before the reason may not be so.
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
  return "queue" in operation && view.id(operation.queue, operation.id).assumed;
}

function holds({ entry }: IdState, { token }: PreparedLease, nowMs: number): boolean {
  const present = entry?.present;
  return present?.place.state === "leased" && present.token === token && present.place.atMs > nowMs;
}

function isDuplicate({ entry }: IdState, nowMs: number): boolean {
  return entry !== null && (entry.present !== null || entry.seenUntilMs > nowMs);
}

/** By how many live messages an operation changes its queue. */
function growthBy(operation: QueueOperation, state: IdState, nowMs: number): number {
  const inState = state.entry?.present?.place.state;
  switch (operation.type) {
    case "enqueue":
      return isDuplicate(state, nowMs) ? 0 : 1;
    case "ack":
    case "bury":
      return -1;
    case "retry":
      return isUsedUp(state.message) ? -1 : 0;
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
  { view, draft, layout }: Applying,
  operation: Extract<Operation, { readonly key: string }>,
): (versionstamp: string) => OperationResult {
  const { key } = operation;
  const record = view.record(key);
  const [slot, recordKey] = [`k${key}`, layout.record(key)];
  // Without this check, pieces that another process stores in between would be left behind.
  if (record.writes === 0) draft.check(slot, recordKey, record.versionstamp);
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
  draft.set(slot, recordKey, encodeRecord({ expiresAtMs, content: value.stored }), expiresAtMs);
  record.content = record.stored = value.stored;
  // What is overwritten within one atomic was never seen: it gets a version that no record ever has.
  return (versionstamp) => ({
    type: "set",
    version: record.writes === write ? versionstamp : `${versionstamp}.${write}`,
  });
}

function enqueue(applying: Applying, operation: PreparedEnqueue<NewContent>): () => OperationResult {
  const { view, draft, ranks } = applying;
  const { queue, id, value, priority, delayMs, maxAttempts, dedupeMs } = operation;
  const state = view.id(queue, id);
  if (isDuplicate(state, draft.nowMs)) {
    // What was written ahead is of no use.
    if (value.pieces.length === 0) draft.discard(value.stored);
    return () => ({ type: "enqueue", duplicate: true });
  }
  checkId(applying, queue, id, state);
  const now = draft.nowMs;
  const seenUntilMs = now + dedupeMs;
  const place: Place = { state: delayMs > 0 ? "delayed" : "ready", priority, atMs: now + delayMs, rank: ranks.next() };
  const message: Message = {
    id,
    priority,
    attempts: 0,
    maxAttempts,
    enqueuedAtMs: now,
    seenUntilMs,
    lastError: null,
    content: value.stored,
  };
  draft.add(value);
  draft.put(queue, place, message);
  draft.topics.add(queue);
  know(draft, queue, id, state, { seenUntilMs, present: { place, token: "", pieces: piecesOf(value.stored) } });
  state.message = message;
  return () => ({ type: "enqueue", duplicate: false });
}

function applyToMessage(
  applying: Applying,
  operation: Exclude<QueueOperation, { type: "enqueue" }>,
): (versionstamp: string) => OperationResult {
  const { view, draft, leases } = applying;
  const { type, queue, id } = operation;
  const state = view.id(queue, id);
  checkId(applying, queue, id, state);
  const { entry } = state;
  const present = entry?.present ?? null;
  switch (type) {
    case "ack":
    case "purge": {
      if (!entry || !present) return () => ({ type: "purge", found: false });
      draft.take(queue, present.place);
      draft.discard(present.pieces);
      know(draft, queue, id, state, { seenUntilMs: entry.seenUntilMs, present: null });
      leases.delete(queue, id);
      return () => type === "ack" ? { type } : { type, found: true };
    }
    case "retry": {
      const { delayMs, error } = operation;
      const dead = isUsedUp(state.message);
      const to = dead ? "dead" : delayMs > 0 ? "delayed" : "ready";
      move(applying, queue, state, { to, afterMs: dead ? 0 : delayMs }, error === null ? {} : { lastError: error });
      leases.delete(queue, id);
      draft.topics.add(queue);
      return () => ({ type, state: to });
    }
    case "bury": {
      const { error } = operation;
      move(applying, queue, state, { to: "dead", afterMs: 0 }, error === null ? {} : { lastError: error });
      leases.delete(queue, id);
      return () => ({ type });
    }
    case "redrive":
      if (present?.place.state !== "dead") return () => ({ type, found: false });
      move(applying, queue, state, { to: "ready", afterMs: 0 }, { attempts: 0 });
      draft.topics.add(queue);
      return () => ({ type, found: true });
    case "extend": {
      const { leaseMs } = operation;
      // The lease keeps its token, and its rank, which is that of its delivery.
      const same = { token: present?.token ?? "", ...(present && { rank: present.place.rank }) };
      const moved = move(applying, queue, state, { to: "leased", afterMs: leaseMs, ...same }, {});
      return (versionstamp) => {
        leases.set(queue, id, { versionstamp, ...moved });
        return { type, leaseExpiresAtMs: draft.nowMs + leaseMs };
      };
    }
  }
}

/** Where a message goes. */
interface Destination {
  readonly to: MessageState;
  readonly afterMs: number;
  readonly rank?: string;
  readonly token?: string;
}

/** Moves a message to another place, and changes what is to be changed in it. */
function move(
  { draft, ranks }: Applying,
  queue: string,
  state: IdState,
  { to, afterMs, rank = ranks.next(), token = "" }: Destination,
  change: Partial<Message>,
): { entry: IdEntry; message: Message } {
  const present = state.entry?.present;
  if (!state.entry || !present || !state.message) throw new Error("Cannot move the message: it was not read");
  const message: Message = { ...state.message, ...change };
  const place: Place = { state: to, priority: message.priority, atMs: draft.nowMs + afterMs, rank };
  const entry: IdEntry = { seenUntilMs: state.entry.seenUntilMs, present: { place, token, pieces: present.pieces } };
  draft.take(queue, present.place);
  draft.put(queue, place, message);
  know(draft, queue, message.id, state, entry);
  state.message = message;
  return { entry, message };
}

/** Requires that a message is as it was read: each of its changes gives its id a new version. */
function checkId({ draft, layout }: Applying, queue: string, id: string, { versionstamp }: IdState): void {
  draft.check(`i${queue}${id}`, layout.id(queue, id), versionstamp);
}

function know(draft: Draft, queue: string, id: string, state: IdState, entry: IdEntry): void {
  draft.remember(queue, id, entry);
  state.entry = entry;
}

function isUsedUp(message: Message | null): boolean {
  return message !== null && message.attempts >= message.maxAttempts;
}
