/** How commits travel: in groups, and apart while another transaction holds what they are about. @module */

import { asError, BackendUnavailableError } from "../../src/errors.ts";
import type { CommitResult } from "../../src/storage/backend.ts";
import type { PreparedBatch } from "../../src/storage/batch.ts";
import { GroupCommit } from "../../src/storage/group_commit.ts";
import { batchLength, deadlineOf } from "../../src/storage/grouped_calls.ts";
import { encodedParent } from "../../src/storage/key.ts";
import type { Committed, Committer } from "./commit.ts";
import { type Connection, lockLimitMs } from "./connection.ts";
import type { Express } from "./express.ts";
import { HeldError } from "./faults.ts";

/** What commits work with. */
export interface CommitsParts {
  readonly connection: Connection;
  readonly committer: Committer;
  /** `null` in a transaction of the caller's, which an error would end, and in which all waits for the same. */
  readonly express: Express | null;
  /** Told of what was committed. */
  readonly tell: (committed: Pick<Committed, "topics" | "added">) => void;
  /** How many connections may wait for what others hold. */
  readonly maxWaiting: number;
}

interface CommitCall {
  readonly batch: PreparedBatch<string>;
  readonly deadlineMs: number;
}

type Outcome = CommitResult | Error | Promise<CommitResult>;

/** Commits that wait for the same. */
interface Lane {
  readonly group: GroupCommit<CommitCall, CommitResult>;
  calls: number;
}

/** A round trip carries no more than so much text, so that none takes long. */
const MAX_GROUP_LENGTH = 1024 * 1024;
/** What an operation weighs beside its value. */
const OPERATION_LENGTH = 250;

/** So long all wait for what one of them is about; then it waits alone, at first twice as long. */
const PATIENCE_MS = 100;

/** The commits of one namespace. */
export class Commits {
  readonly #parts: CommitsParts;
  readonly #group: GroupCommit<CommitCall, CommitResult | Promise<CommitResult>>;
  /** By the queues and the parents of records that are held. */
  readonly #lanes = new Map<string, Lane>();
  readonly #turns: (() => void)[] = [];
  #waiting = 0;

  /** Made of these parts. */
  constructor(parts: CommitsParts) {
    this.#parts = parts;
    this.#group = new GroupCommit({ flush: (calls) => this.#flush(calls), ...LIMITS });
  }

  /** Commits a batch, together with others. */
  async run(batch: PreparedBatch<string>, deadlineMs: number): Promise<CommitResult> {
    return await this.#group.run({ batch, deadlineMs });
  }

  /** Resolves once none is under way. */
  async drain(): Promise<void> {
    await this.#group.drain();
    await Promise.all(Array.from(this.#lanes.values(), ({ group }) => group.drain()));
  }

  /** Commits all that nobody holds; the others go on in lanes of their own. */
  async #flush(calls: readonly CommitCall[]): Promise<Outcome[]> {
    const { express } = this.#parts;
    if (!express) return await this.#commit(calls, Infinity);
    const outcomes = new Map<CommitCall, Outcome>();
    const settle = (some: readonly CommitCall[], theirs: readonly Outcome[]) => {
      for (const [index, call] of some.entries()) {
        // deno-coverage-ignore -- the compiler asks for it: each has its outcome
        outcomes.set(call, theirs[index] ?? new HeldError("nothing is known"));
      }
    };
    for (const call of calls) {
      const lane = this.#lanes.size > 0 && this.#laneOf(call);
      if (lane) outcomes.set(call, this.#runIn(lane, call));
    }
    const free = outcomes.size > 0 ? calls.filter((call) => !outcomes.has(call)) : calls;
    if (free.length > 0) settle(free, await this.#commit(free, PATIENCE_MS));
    const held = free.filter((call) => outcomes.get(call) instanceof HeldError);
    const parts = partsOf(held);
    for (const part of parts) {
      // Apart, those that nobody holds wait for nobody.
      if (parts.length > 1) settle(part.calls, await this.#commit(part.calls, PATIENCE_MS));
      const still = part.calls.filter((call) => outcomes.get(call) instanceof HeldError);
      const lane = this.#openLane();
      if (still.length > 0) { for (const name of part.names) this.#lanes.set(name, lane); }
      for (const call of still) outcomes.set(call, this.#runIn(lane, call));
    }
    // deno-coverage-ignore -- the compiler asks for it: each has its outcome by now
    return calls.flatMap((call) => outcomes.get(call) ?? []);
  }

  #laneOf({ batch }: CommitCall): Lane | undefined {
    for (const name of namesOf(batch)) {
      const lane = this.#lanes.get(name);
      if (lane) return lane;
    }
    return undefined;
  }

  #openLane(): Lane {
    return { group: new GroupCommit({ flush: (calls) => this.#commitPatiently(calls), ...LIMITS }), calls: 0 };
  }

  /** Commits in a lane, which is given up when nobody is in it any more. */
  #runIn(lane: Lane, call: CommitCall): Promise<CommitResult> {
    lane.calls++;
    const running = lane.group.run(call).finally(() => {
      if (--lane.calls > 0) return;
      for (const [name, other] of this.#lanes) if (other === lane) this.#lanes.delete(name);
    });
    running.catch(() => {}); // it may be over before its group is
    return running;
  }

  /** Waits for what others hold, longer each time, and lets other lanes have their turn in between. */
  async #commitPatiently(calls: readonly CommitCall[]): Promise<(CommitResult | Error)[]> {
    for (let lockMs = 2 * PATIENCE_MS;; lockMs *= 2) {
      const isLast = lockMs >= lockLimitMs(deadlineOf(calls));
      const outcomes = await this.#inTurn(() => this.#commit(calls, lockMs));
      if (isLast || !outcomes.every((outcome) => outcome instanceof HeldError)) return outcomes;
    }
  }

  async #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#waiting >= this.#parts.maxWaiting) await new Promise<void>((resolve) => this.#turns.push(resolve));
    else this.#waiting++;
    try {
      return await work();
    } finally {
      const next = this.#turns.shift();
      if (next) next();
      else this.#waiting--;
    }
  }

  /** Commits a group, and waits for what others hold only so long. */
  async #commit(calls: readonly CommitCall[], lockMs: number): Promise<(CommitResult | Error)[]> {
    const batches = calls.map(({ batch }) => batch);
    const deadlineMs = deadlineOf(calls);
    const limitMs = Math.min(lockMs, lockLimitMs(deadlineMs));
    try {
      const sped = await this.#parts.express?.run(batches, deadlineMs, limitMs);
      if (!sped) return await this.#commitAll(batches, deadlineMs, limitMs);
      this.#parts.tell(sped);
      const rest = batches.filter((_, index) => !sped.results[index]);
      if (rest.length === 0) return sped.results.filter((result) => result !== null);
      // What is done already is not to be told as failed.
      const others = await this.#commitAll(rest, deadlineMs, limitMs).catch((error: Error) => rest.map(() => error));
      let next = 0;
      return sped.results.map((result) =>
        // deno-coverage-ignore -- the compiler asks for it: each of the rest has got its outcome
        result ?? others[next++] ?? new BackendUnavailableError("Cannot tell what became of the batch")
      );
    } catch (error) {
      return calls.map(() => asError(error));
    }
  }

  async #commitAll(
    batches: readonly PreparedBatch<string>[],
    deadlineMs: number,
    lockMs: number,
  ): Promise<CommitResult[]> {
    const { connection, committer, express, tell } = this.#parts;
    const committed = await connection.transaction(
      deadlineMs,
      (session, outside) => committer.prepare(session, outside, batches, express ? lockMs : null),
      (session, numbers) => committer.run(session, batches, numbers),
      lockMs,
    );
    tell(committed);
    return [...committed.results];
  }
}

const LIMITS = {
  weigh: ({ batch }: CommitCall) => batchLength(batch, OPERATION_LENGTH),
  maxWeight: MAX_GROUP_LENGTH,
};

/** What a batch may have to wait for: queues, and the parents of records. */
function namesOf({ checks, operations }: PreparedBatch<string>): Set<string> {
  const names = new Set<string>();
  for (const { key } of checks) names.add(encodedParent(key));
  for (const operation of operations) {
    names.add("key" in operation ? encodedParent(operation.key) : operation.queue);
  }
  return names;
}

/** Calls that have something in common. */
interface Part {
  readonly names: Set<string>;
  calls: CommitCall[];
}

/** Parts that have nothing in common, each with its calls in their order. */
function partsOf(calls: readonly CommitCall[]): Part[] {
  let parts: Part[] = [];
  for (const call of calls) {
    const part: Part = { names: namesOf(call.batch), calls: [] };
    const [common, others]: [Part[], Part[]] = [[], []];
    for (const each of parts) ([...part.names].some((name) => each.names.has(name)) ? common : others).push(each);
    for (const { names, calls } of common) {
      for (const name of names) part.names.add(name);
      part.calls.push(...calls);
    }
    part.calls.push(call);
    parts = [...others, part];
  }
  return parts;
}
