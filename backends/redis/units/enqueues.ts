/** Enqueues into one queue, of one batch or of many calls. @module */

import type { Committed, Refused } from "../../../src/storage/backend.ts";
import type { PreparedEnqueue } from "../../../src/storage/batch.ts";
import { requireText, type StepOutcome, type TextBatch, type Unit } from "./unit.ts";

const ENQUEUED: Committed = { committed: true, results: [{ type: "enqueue", duplicate: false }] };
const DUPLICATE: Committed = { committed: true, results: [{ type: "enqueue", duplicate: true }] };
const FULL: Refused = { committed: false, reason: "full", index: 0 };

/** Enqueues of one batch, or of one call each. */
export class EnqueueRun implements Unit {
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

/** Whether enqueues can be in one run. */
export function haveSameOptions(a: PreparedEnqueue<string>, b: PreparedEnqueue<string>): boolean {
  return a.queue === b.queue && a.delayMs === b.delayMs && a.dedupeMs === b.dedupeMs && a.capacity === b.capacity;
}

/** A message as it is stored, but for the time at which it is accepted. */
export function bodyOf({ priority, maxAttempts, value }: PreparedEnqueue<string>): string {
  return `${priority} ${maxAttempts} ${value}`;
}

/** What the script reads of all enqueues of a run. */
export function enqueueOptions({ queue, delayMs, dedupeMs, capacity }: PreparedEnqueue<string>): string[] {
  return [queue, String(Math.ceil(delayMs)), String(toWindow(dedupeMs)), String(capacity)];
}

/**
 * Rounds a dedupe window up to 4, 5, 6 or 7 times a power of two, at most by a quarter, so that a queue has few of
 * them. The script remembers an id for a window and up to half a window more: less than twice what was asked for.
 */
export function toWindow(dedupeMs: number): number {
  if (dedupeMs <= 4) return Math.ceil(dedupeMs);
  const unit = 2 ** (Math.floor(Math.log2(dedupeMs)) - 2);
  return Math.ceil(dedupeMs / unit) * unit;
}
