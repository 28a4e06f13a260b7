/** Commits: batches made at the same time go together in one atomic, and each keeps its own fate. @module */

import { monotonicMs, systemClock } from "../../src/clock.ts";
import { asError, BackendUnavailableError, isOutage } from "../../src/errors.ts";
import type { Batch, CommitResult } from "../../src/storage/backend.ts";
import { prepareBatch, type PreparedBatch, type PreparedOperation } from "../../src/storage/batch.ts";
import { deferred } from "../../src/storage/es2024.ts";
import { GroupCommit } from "../../src/storage/group_commit.ts";
import { applyBatch } from "./apply.ts";
import { piecesOf } from "./codec.ts";
import { type NewContent, newContent, type Note, pieceBytes } from "./content.ts";
import { Draft } from "./draft.ts";
import { MAX_ATOMIC_BYTES, MAX_ATOMIC_KEY_BYTES, MAX_CHECKS, MAX_MUTATIONS } from "./driver.ts";
import { AtomicTooLargeError } from "./engine.ts";
import type { Parts } from "./parts.ts";
import { View } from "./view.ts";

interface Call {
  readonly batch: PreparedBatch<NewContent>;
  readonly note: Note | null;
  readonly deadlineMs: number;
}

/** The place of a flush among the others. */
interface Turn {
  readonly before: Promise<void>;
  readonly resolve: () => void;
}

// The next round trip is prepared while the engine works on the one before.
const IN_FLIGHT = 2;

// A group whose checks failed so often is divided, so that a contended batch does not hold up the others.
const ATTEMPTS_TOGETHER = 3;

// More pieces than this do not go along with the commit that refers to them, but ahead of it.
const PIECE_BYTES_ALONG = 300 * 1024;

/** Commits batches. */
export class Committer {
  readonly #parts: Parts;
  readonly #group: GroupCommit<Call, CommitResult>;
  /** Resolves once the flush before has been decided for the first time. */
  #before: Promise<void> = Promise.resolve();
  /** Resolves once the last flush that stores tracked records is over. */
  #tracked: Promise<void> = Promise.resolve();

  /** Commits to the store that the parts belong to. */
  constructor(parts: Parts) {
    this.#parts = parts;
    this.#group = new GroupCommit({
      flush: (calls) => this.#flush(calls),
      weigh: (call) => weigh(call, parts.engine.maxChecks),
      maxWeight: 1 + Number.EPSILON * 1000, // a hundred hundredths are a little more than one
      maxInFlight: IN_FLIGHT,
    });
  }

  /** Commits one batch, together with those that are made in the meantime. */
  async commit(batch: Batch): Promise<CommitResult> {
    const prepared = prepareBatch(batch, newContent);
    const deadlineMs = this.#parts.engine.deadline();
    return await this.#group.run(await this.#call(prepared, deadlineMs));
  }

  /** Writes ahead what is too long to go along. */
  async #call(batch: PreparedBatch<NewContent>, deadlineMs: number): Promise<Call> {
    const { contents, clock } = this.#parts;
    const ahead = batch.operations.flatMap((operation) => {
      if (!("value" in operation) || operation.value.pieces.length === 0) return [];
      return [{ content: operation.value, expiresInMs: ("key" in operation && operation.expiresInMs) || Infinity }];
    });
    if (ahead.reduce((bytes, { content }) => bytes + pieceBytes(content), 0) <= PIECE_BYTES_ALONG) {
      return { batch, note: null, deadlineMs };
    }
    const note = await contents.writeAhead(ahead, clock.now(), deadlineMs);
    const operations = batch.operations.map((operation) =>
      "value" in operation ? { ...operation, value: { stored: operation.value.stored, pieces: [] } } : operation
    );
    return { batch: { ...batch, operations }, note, deadlineMs };
  }

  async #flush(calls: readonly Call[]): Promise<(CommitResult | Error)[]> {
    const nowMs = monotonicMs(systemClock);
    const inTime = calls.filter(({ deadlineMs }) => deadlineMs > nowMs);
    // Calls that were made in an order are decided in it, however long each flush takes to read.
    const turn = { before: this.#before, ...deferred<void>() };
    this.#before = turn.promise;
    // Changes of one parent are numbered one after the other: one that was numbered ahead would have to be done again.
    const isTracked = inTime.some(({ batch }) => batch.operations.some((each) => each.type === "set" && each.tracked));
    const beforeTracked = isTracked ? this.#tracked : Promise.resolve();
    const done = deferred<void>();
    if (isTracked) this.#tracked = done.promise;
    try {
      await beforeTracked;
      const outcomes = inTime.length > 0 ? await this.#decide(inTime, turn) : [];
      const decided = new Map(inTime.map((call, index) => [call, outcomes[index]]));
      return calls.map((call) => decided.get(call) ?? late());
    } finally {
      turn.resolve();
      done.resolve();
    }
  }

  /** Decides calls together, and in two halves where that cannot be. */
  async #decide(calls: readonly Call[], turn: Turn | null): Promise<(CommitResult | Error)[]> {
    try {
      return await this.#together(calls, turn) ?? await this.#divided(calls);
    } catch (error) {
      if (isOutage(error)) return calls.map(() => error);
      // Something about one of the calls: a damaged entry, or more bytes than fit.
      if (calls.length > 1) return await this.#divided(calls);
      return [
        error instanceof AtomicTooLargeError ? tooLarge(error) : asError(error),
      ];
    }
  }

  async #divided(calls: readonly Call[]): Promise<(CommitResult | Error)[]> {
    const half = calls.length >> 1;
    return [...await this.#decide(calls.slice(0, half), null), ...await this.#decide(calls.slice(half), null)];
  }

  /** Decides calls in one atomic; `null` when that fails again and again while there is more than one. */
  async #together(calls: readonly Call[], turn: Turn | null): Promise<CommitResult[] | null> {
    const { engine, layout, clock, wakes, ranks } = this.#parts;
    const deadlineMs = Math.min(...calls.map((call) => call.deadlineMs));
    for (let attempt = 0; calls.length === 1 || attempt < ATTEMPTS_TOGETHER; attempt++) {
      if (attempt > 1) await engine.pause(attempt, deadlineMs);
      const draft = new Draft(layout, ranks, clock.now());
      const batches = calls.map(({ batch }) => batch);
      const source = { ...this.#parts, nowMs: draft.nowMs, deadlineMs, assume: turn !== null && attempt === 0 };
      const view = await View.read(source, batches);
      await turn?.before;
      if (view.torn) continue;
      const outcomes = batches.map((batch) => applyBatch({ view, draft, layout }, batch));
      if (view.torn) continue;
      outcomes.forEach((outcome, index) => {
        const note = calls[index]?.note;
        if (note && typeof outcome === "function") draft.takeOver(note);
      });
      turn?.resolve();
      wakes.post(draft);
      const versionstamp = draft.isEmpty
        ? ""
        : await engine.tryCommit((atomic) => draft.build(atomic, engine.maxChecks), deadlineMs);
      if (versionstamp === null) continue;
      ranks.observe(versionstamp);
      wakes.wake(draft.topics);
      if (view.added > 0) this.#parts.onAdded(view.added);
      await this.#tidy(draft, calls.filter((_, index) => typeof outcomes[index] !== "function"), deadlineMs);
      return outcomes.map((outcome) => typeof outcome === "function" ? outcome(versionstamp) : outcome);
    }
    return null;
  }

  /** Deletes the pieces that nothing refers to now; what cannot be deleted is left to a sweep. */
  async #tidy(draft: Draft, refused: readonly Call[], deadlineMs: number): Promise<void> {
    const { contents } = this.#parts;
    const drops = refused.flatMap(({ batch, note }) => {
      if (note === null) return [];
      const pieces = batch.operations.map((operation) =>
        "value" in operation ? piecesOf(operation.value.stored) : null
      );
      return [contents.drop(note.id, pieces.filter((each) => each !== null), deadlineMs)];
    });
    if (draft.garbage.length > 0) drops.push(contents.drop(draft.noteId, draft.garbage, deadlineMs));
    if (drops.length > 0) await Promise.allSettled(drops);
  }
}

function late(): BackendUnavailableError {
  return new BackendUnavailableError("Cannot commit to Deno KV: the commits before this one took too long");
}

/** How much of an atomic a batch takes, about: what is guessed too low here is divided later. */
function weigh({ batch: { checks, operations }, note }: Call, maxChecks: number): number {
  let [checkCount, mutations, bytes, keyBytes] = [checks.length + (note ? 1 : 0), 0, 0, 0];
  for (const { key } of checks) keyBytes += key.length + 20;
  for (const operation of operations) {
    checkCount += operation.type === "enqueue" && operation.capacity <= MAX_CHECKS ? 2 : 1;
    mutations += 6 + ("value" in operation ? operation.value.pieces.length : 0);
    keyBytes += "key" in operation ? 2 * (operation.key.length + 20) : 450 + 2 * operation.queue.length;
    if (operation.type === "set" && operation.tracked) keyBytes += 200;
    bytes += weighContent(operation);
  }
  return Math.max(
    checkCount / maxChecks,
    mutations / MAX_MUTATIONS,
    keyBytes / MAX_ATOMIC_KEY_BYTES,
    (keyBytes + bytes) / MAX_ATOMIC_BYTES,
  );
}

function weighContent(operation: PreparedOperation<NewContent>): number {
  if (!("value" in operation)) return 500;
  const { stored } = operation.value;
  return 200 + pieceBytes(operation.value) + (typeof stored === "string" ? 2 * stored.length : 0);
}

function tooLarge(cause: AtomicTooLargeError): RangeError {
  return new RangeError(
    `Cannot commit the batch: its keys and values are too much for one atomic operation of Deno KV (${cause.message})`,
    { cause },
  );
}
