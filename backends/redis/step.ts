/** One round trip of many commits and claims: writes the arguments of the step script, and reads its replies. @module */

import { BackendCorruptError } from "../../src/errors.ts";
import type { CommitResult, Committed, OperationResult, Refused } from "../../src/storage/backend.ts";
import type {
  PreparedBatch,
  PreparedClaim,
  PreparedEnqueue,
  PreparedLease,
  PreparedOperation,
} from "../../src/storage/batch.ts";
import { isToken, tokenLength } from "./stored.ts";

/** A checked batch whose values are JSON text. */
export type TextBatch = PreparedBatch<string>;

/** A commit or a claim. */
export type StepCall =
  | { readonly type: "commit"; readonly batch: TextBatch }
  | { readonly type: "claim"; readonly claim: PreparedClaim };

/** A message as a claim gives it. */
export interface ClaimedMessage {
  readonly id: string;
  readonly message: string;
  readonly token: string;
  readonly leaseExpiresAtMs: number;
  readonly lastError: string | null;
}

/** What a call came to; `null`: a claim that is to be made again, as there is more to settle first than one script does. */
export type StepOutcome = CommitResult | readonly ClaimedMessage[] | null;

/** What a unit writes, and how its reply tells what its calls came to: `give(call, outcome)`. */
interface Unit {
  write(args: string[]): void;
  read(reply: unknown, give: (call: number, outcome: StepOutcome) => void): void;
}

/**
 * Puts calls together into units: enqueues into one queue, acknowledgements in one queue and claims of one queue are a
 * unit each, however many callers they come from, so that the script does them with a handful of commands. Messages of
 * one queue stay in the order of their calls. Claims come last: what is acknowledged or sent with them makes room for them.
 */
export class Step {
  readonly #units: Unit[] = [];
  readonly #count: number;

  /** Puts these calls together. */
  constructor(calls: readonly StepCall[]) {
    this.#count = calls.length;
    const enqueues = new Map<string, EnqueueRun>();
    const acks = new Map<string, AckRun>();
    const claims = new Map<string, Claim>();
    calls.forEach((call, index) => {
      if (call.type === "claim") {
        this.#addClaim(claims, call.claim, index);
        return;
      }
      const { batch } = call;
      const only = kindOfRun(batch);
      if (only === null) {
        this.#units.push(new AnyBatch(batch, index));
        // What is sent after a batch stands behind what the batch sends.
        enqueues.clear();
        acks.clear();
      } else if (batch.operations.length > 1) {
        this.#units.push(only === "enqueue" ? EnqueueRun.ofBatch(batch, index) : AckRun.ofBatch(batch, index));
        enqueues.clear();
      } else {
        const [operation] = batch.operations;
        if (operation?.type === "enqueue") this.#addEnqueue(enqueues, operation, index);
        else if (operation?.type === "ack") this.#addAck(acks, operation, index);
      }
    });
    this.#units.push(...claims.values());
  }

  /** What the script reads: a random text, which makes the tokens of leases hard to guess, and the units. */
  args(random: string): string[] {
    const args = [random];
    for (const unit of this.#units) unit.write(args);
    return args;
  }

  /** The outcome of each call, in their order. */
  outcomes(replies: readonly unknown[]): StepOutcome[] {
    const outcomes: StepOutcome[] = new Array(this.#count);
    this.#units.forEach((unit, index) => unit.read(replies[index], (call, outcome) => outcomes[call] = outcome));
    return outcomes;
  }

  #addEnqueue(runs: Map<string, EnqueueRun>, operation: PreparedEnqueue<string>, call: number): void {
    let run = runs.get(operation.queue);
    if (!run?.fits(operation)) {
      runs.set(operation.queue, run = new EnqueueRun(operation, null));
      this.#units.push(run);
    }
    run.add(operation, call);
  }

  #addAck(runs: Map<string, AckRun>, operation: PreparedLease, call: number): void {
    let run = runs.get(operation.queue);
    if (run === undefined) {
      runs.set(operation.queue, run = new AckRun(operation.queue, null));
      this.#units.push(run);
    }
    run.add(operation, call);
  }

  #addClaim(claims: Map<string, Claim>, claim: PreparedClaim, call: number): void {
    const name = `${claim.leaseMs} ${claim.queue}`;
    let unit = claims.get(name);
    if (unit === undefined) claims.set(name, unit = new Claim(claim));
    unit.add(call, claim.limit);
  }
}

/** A batch that consists of enqueues with the same options, or of acknowledgements, in one queue, and of nothing else. */
function kindOfRun({ checks, operations, notify }: TextBatch): "enqueue" | "ack" | null {
  const [first] = operations;
  if (first === undefined || checks.length > 0 || notify.length > 0) return null;
  if (first.type === "enqueue") {
    for (const each of operations) if (each.type !== "enqueue" || !haveSameOptions(first, each)) return null;
    return "enqueue";
  }
  if (first.type !== "ack") return null;
  for (const each of operations) if (each.type !== "ack" || each.queue !== first.queue) return null;
  return "ack";
}

function haveSameOptions(a: PreparedEnqueue<string>, b: PreparedEnqueue<string>): boolean {
  return a.queue === b.queue && a.delayMs === b.delayMs && a.dedupeMs === b.dedupeMs && a.capacity === b.capacity;
}

const ENQUEUED: Committed = { committed: true, results: [{ type: "enqueue", duplicate: false }] };
const DUPLICATE: Committed = { committed: true, results: [{ type: "enqueue", duplicate: true }] };
const ACKNOWLEDGED: Committed = { committed: true, results: [{ type: "ack" }] };
const FULL: Refused = { committed: false, reason: "full", index: 0 };
const LEASE_LOST: Refused = { committed: false, reason: "lease_lost", index: 0 };

/** Enqueues of one batch, or of one call each. */
class EnqueueRun implements Unit {
  readonly #options: PreparedEnqueue<string>;
  readonly #batchCall: number | null;
  readonly #calls: number[] = [];
  readonly #pairs: string[] = [];

  constructor(options: PreparedEnqueue<string>, batchCall: number | null) {
    this.#options = options;
    this.#batchCall = batchCall;
  }

  static ofBatch({ operations }: TextBatch, call: number): EnqueueRun {
    const enqueues = operations.filter((each) => each.type === "enqueue");
    const [first] = enqueues;
    // deno-coverage-ignore -- the compiler asks for it: a run begins with an operation
    if (first === undefined) throw new Error("Cannot make a run of nothing");
    const run = new EnqueueRun(first, call);
    for (const each of enqueues) run.add(each, call);
    return run;
  }

  fits(operation: PreparedEnqueue<string>): boolean {
    return haveSameOptions(this.#options, operation);
  }

  add(operation: PreparedEnqueue<string>, call: number): void {
    this.#calls.push(call);
    this.#pairs.push(operation.id, bodyOf(operation));
  }

  write(args: string[]): void {
    const isAtomic = this.#batchCall !== null ? "1" : "0";
    args.push("enqueues", isAtomic, String(this.#calls.length), ...enqueueOptions(this.#options));
    for (const each of this.#pairs) args.push(each);
  }

  read(reply: unknown, give: (call: number, outcome: StepOutcome) => void): void {
    const flags = requireText(reply);
    if (this.#batchCall === null) {
      this.#calls.forEach((call, index) =>
        give(call, flags[index] === "d" ? DUPLICATE : flags[index] === "f" ? FULL : ENQUEUED)
      );
    } else if (flags.startsWith("!")) {
      give(this.#batchCall, { committed: false, reason: "full", index: Number(flags.slice(1)) });
    } else {
      const results = this.#calls.map((_, index) => ({ type: "enqueue" as const, duplicate: flags[index] === "d" }));
      give(this.#batchCall, { committed: true, results });
    }
  }
}

/** Acknowledgements of one batch, or of one call each. */
class AckRun implements Unit {
  readonly #queue: string;
  readonly #batchCall: number | null;
  readonly #calls: number[] = [];
  readonly #pairs: string[] = [];

  constructor(queue: string, batchCall: number | null) {
    this.#queue = queue;
    this.#batchCall = batchCall;
  }

  static ofBatch({ operations }: TextBatch, call: number): AckRun {
    const acks = operations.filter((each) => each.type === "ack");
    // deno-coverage-ignore -- the compiler asks for it: a run begins with an operation
    const run = new AckRun(acks[0]?.queue ?? "", call);
    for (const each of acks) run.add(each, call);
    return run;
  }

  add({ id, token }: PreparedLease, call: number): void {
    this.#calls.push(call);
    // No lease has the name of nothing.
    this.#pairs.push(id, isToken(token) ? token + id : "");
  }

  write(args: string[]): void {
    args.push("acks", this.#batchCall !== null ? "1" : "0", String(this.#calls.length), this.#queue);
    for (const each of this.#pairs) args.push(each);
  }

  read(reply: unknown, give: (call: number, outcome: StepOutcome) => void): void {
    const flags = requireText(reply);
    if (this.#batchCall === null) {
      this.#calls.forEach((call, index) => give(call, flags[index] === "l" ? LEASE_LOST : ACKNOWLEDGED));
    } else if (flags.startsWith("!")) {
      give(this.#batchCall, { committed: false, reason: "lease_lost", index: Number(flags.slice(1)) });
    } else {
      give(this.#batchCall, { committed: true, results: this.#calls.map(() => ({ type: "ack" })) });
    }
  }
}

/** Claims of one queue with one length of lease: what comes is shared out in the order of the calls. */
class Claim implements Unit {
  readonly #claim: PreparedClaim;
  readonly #shares: { readonly call: number; readonly limit: number }[] = [];
  #limit = 0;

  constructor(claim: PreparedClaim) {
    this.#claim = claim;
  }

  add(call: number, limit: number): void {
    this.#shares.push({ call, limit });
    this.#limit += limit;
  }

  write(args: string[]): void {
    args.push("claim", this.#claim.queue, String(Math.ceil(this.#claim.leaseMs)), String(this.#limit));
  }

  read(reply: unknown, give: (call: number, outcome: StepOutcome) => void): void {
    const messages = reply === null ? null : readClaimed(requireList(reply));
    let start = 0;
    for (const { call, limit } of this.#shares) {
      give(call, messages && messages.slice(start, start + limit));
      start += limit;
    }
  }
}

/** When the leases end, how many there are; name and message of each; index and error of those that have one. */
function readClaimed([endsAtMs, count, ...rest]: readonly unknown[]): ClaimedMessage[] {
  if (endsAtMs === undefined) return [];
  const leaseExpiresAtMs = Number(endsAtMs);
  const size = 2 * Number(count);
  const errors = new Map<number, string>();
  for (let at = size; at < rest.length; at += 2) errors.set(Number(rest[at]), requireText(rest[at + 1]));
  const messages: ClaimedMessage[] = [];
  for (let at = 0; at < size; at += 2) {
    const name = requireText(rest[at]);
    const end = tokenLength(name);
    messages.push({
      id: name.slice(end),
      message: requireText(rest[at + 1]),
      token: name.slice(0, end),
      leaseExpiresAtMs,
      lastError: errors.get(at / 2) ?? null,
    });
  }
  return messages;
}

/** A batch of anything, done operation by operation. */
class AnyBatch implements Unit {
  readonly #batch: TextBatch;
  readonly #call: number;

  constructor(batch: TextBatch, call: number) {
    this.#batch = batch;
    this.#call = call;
  }

  write(args: string[]): void {
    const { checks, operations, notify } = this.#batch;
    args.push("batch", String(checks.length), String(operations.length), String(notify.length));
    for (const { key, version } of checks) args.push(key, version ?? "");
    for (const operation of operations) args.push(operation.type, ...fieldsOf(operation));
    args.push(...notify);
  }

  read(reply: unknown, give: (call: number, outcome: StepOutcome) => void): void {
    const [reason, ...rest] = requireList(reply);
    if (reason === "done") {
      const results = this.#batch.operations.map((operation, index) => toResult(operation.type, rest[index]));
      give(this.#call, { committed: true, results });
    } else if (reason === "conflict" || reason === "full" || reason === "lease_lost") {
      give(this.#call, { committed: false, reason, index: Number(rest[0]) });
    } else {
      throw unexpected(reply);
    }
  }
}

/** What the script reads for an operation, in its order. */
function fieldsOf(operation: PreparedOperation<string>): string[] {
  switch (operation.type) {
    case "set":
      return [
        operation.key,
        operation.expiresInMs === null ? "" : String(Math.ceil(operation.expiresInMs)),
        operation.tracked ? "1" : "0",
        operation.value,
      ];
    case "delete":
      return [operation.key];
    case "enqueue":
      return [...enqueueOptions(operation), operation.id, bodyOf(operation)];
    case "ack":
      return leaseOf(operation);
    case "retry":
      return [...leaseOf(operation), String(Math.ceil(operation.delayMs)), errorOf(operation.error)];
    case "bury":
      return [...leaseOf(operation), errorOf(operation.error)];
    case "extend":
      return [...leaseOf(operation), String(Math.ceil(operation.leaseMs))];
    case "redrive":
    case "purge":
      return [operation.queue, operation.id];
  }
}

function toResult(type: PreparedOperation<string>["type"], reply: unknown): OperationResult {
  switch (type) {
    case "set":
      return { type, version: requireText(reply) };
    case "delete":
      return { type, existed: reply === 1 };
    case "enqueue":
      return { type, duplicate: reply === 1 };
    case "ack":
    case "bury":
      return { type };
    case "retry":
      if (reply !== "ready" && reply !== "delayed" && reply !== "dead") throw unexpected(reply);
      return { type, state: reply };
    case "extend":
      return { type, leaseExpiresAtMs: Number(reply) };
    case "redrive":
    case "purge":
      return { type, found: reply === 1 };
  }
}

function leaseOf({ queue, id, token }: PreparedLease): string[] {
  return [queue, id, toToken(token)];
}

/** A token as the script takes it: empty, which is that of no lease, where it has not the form of one. */
function toToken(token: string): string {
  return isToken(token) ? token : "";
}

/** Empty where there is none, else behind a plus: an error may be empty too. */
function errorOf(error: string | null): string {
  return error === null ? "" : `+${error}`;
}

/** A message as it is stored, but for the time at which it is accepted. */
function bodyOf({ priority, maxAttempts, value }: PreparedEnqueue<string>): string {
  return `${priority} ${maxAttempts} ${value}`;
}

function enqueueOptions({ queue, delayMs, dedupeMs, capacity }: PreparedEnqueue<string>): string[] {
  return [queue, String(Math.ceil(delayMs)), String(toWindow(dedupeMs)), String(capacity)];
}

/**
 * Rounds a dedupe window up to 4, 5, 6 or 7 times a power of two, at most by a quarter, so that a queue has few of them.
 * The script remembers an id for a window and up to half a window more: less than twice what was asked for.
 */
export function toWindow(dedupeMs: number): number {
  if (dedupeMs <= 4) return Math.ceil(dedupeMs);
  const unit = 2 ** (Math.floor(Math.log2(dedupeMs)) - 2);
  return Math.ceil(dedupeMs / unit) * unit;
}

function requireText(reply: unknown): string {
  if (typeof reply !== "string") throw unexpected(reply);
  return reply;
}

function requireList(reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) throw unexpected(reply);
  return reply;
}

function unexpected(reply: unknown): Error {
  return new BackendCorruptError(`Cannot read the server's reply: got ${typeof reply} where another type belongs`);
}
