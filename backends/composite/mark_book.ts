/** The marks of a journal, in memory as they stand in the fallback, and the turns of those who change them. @module */

import { OutcomeUnknownError } from "../../src/errors.ts";
import type { Batch, Check, CommitResult, Operation, StorageBackend } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { partsOf } from "../../src/storage/parts.ts";
import {
  type Mark,
  type MarkKind,
  markName,
  nameOf,
  newMark,
  numberOf,
  readMark,
  RESERVED,
  toOperation,
} from "./journal_marks.ts";

/**
 * Knows which marks there are. Whatever sets marks or takes them away has its turn: whether a write needs a mark is
 * known only once those before it are done.
 */
export class MarkBook {
  readonly #fallback: StorageBackend;
  readonly #marks = new Map<string, Mark>();
  /**
   * Those of which nobody knows whether they stand in the fallback: an answer was lost. They are written again at need.
   */
  readonly #unsure = new Set<string>();
  #sequence = 0;
  #turn: Promise<unknown> = Promise.resolve();

  /** What an earlier process left is read by `load`. */
  constructor(fallback: StorageBackend) {
    this.#fallback = fallback;
  }

  /** How many marks there are. */
  get size(): number {
    return this.#marks.size;
  }

  /** The marks of some kinds, in the order in which they were first set. */
  of(...kinds: readonly MarkKind[]): Mark[] {
    const marks = [...this.#marks.values()].filter(({ kind }) => kinds.includes(kind));
    return marks.sort((a, b) => numberOf(a) - numberOf(b));
  }

  /** Whether a mark is there still, of whichever kind by now. */
  has(mark: Mark): boolean {
    return this.#marks.get(nameOf(mark))?.markKey[1] === mark.markKey[1];
  }

  /** Whether a mark must stand in the fallback: where it does not, that has lost it. */
  isSure(mark: Mark): boolean {
    return this.has(mark) && !this.#unsure.has(nameOf(mark));
  }

  /** Whether a prefix of a key is marked as cleared. */
  isToBeCleared(key: Key): boolean {
    return key.some((_, length) => this.#marks.has(markName("cleared", key.slice(0, length))));
  }

  /** Reads the marks that an earlier process left. */
  async load(): Promise<void> {
    for await (const entry of this.#fallback.list([RESERVED])) {
      const mark = readMark(entry);
      if (mark === null) continue;
      this.#remember(mark);
      this.#sequence = Math.max(this.#sequence, numberOf(mark));
    }
  }

  /** Knows of no mark any more. */
  forget(): void {
    this.#marks.clear();
    this.#unsure.clear();
  }

  /** Does some work once all before it is done. */
  inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  /** A mark that is to be written, in place of the one that may be there; `null` where just that is there. */
  missing(kind: MarkKind, target: Key): Mark | null {
    const name = markName(kind, target);
    const known = this.#marks.get(name);
    if (known === undefined) return newMark(kind, target, ++this.#sequence);
    return known.kind === kind && !this.#unsure.has(name) ? null : { ...known, kind };
  }

  /** Writes marks. */
  async write(marks: readonly Mark[]): Promise<void> {
    for (const part of partsOf(marks, this.#fallback.traits.maxBatchSize)) {
      await this.commit({ operations: part.map(toOperation) }, part);
    }
  }

  /** Commits a batch that writes marks. */
  async commit(batch: Batch, marks: readonly Mark[]): Promise<CommitResult> {
    const result = await this.#fallback.commit(batch).catch((error) => {
      if (error instanceof OutcomeUnknownError) { for (const mark of marks) this.#remember(mark, false); }
      throw error;
    });
    if (result.committed) { for (const mark of marks) this.#remember(mark); }
    return result;
  }

  /** Takes marks away, with what else is done in that step, and tells whether all checks held: else nothing is done. */
  async remove(
    marks: readonly Mark[],
    checks: readonly Check[] = [],
    operations: readonly Operation[] = [],
  ): Promise<boolean> {
    const removals = marks.map(({ markKey }): Operation => ({ type: "delete", key: markKey }));
    const result = await this.#fallback.commit({ checks, operations: [...removals, ...operations] }).catch((error) => {
      for (const mark of marks) this.#unsure.add(nameOf(mark));
      throw error;
    });
    if (!result.committed) return false;
    for (const mark of marks) {
      this.#marks.delete(nameOf(mark));
      this.#unsure.delete(nameOf(mark));
    }
    return true;
  }

  #remember(mark: Mark, isSure = true): void {
    const name = nameOf(mark);
    this.#marks.set(name, mark);
    if (isSure) this.#unsure.delete(name);
    else this.#unsure.add(name);
  }
}
