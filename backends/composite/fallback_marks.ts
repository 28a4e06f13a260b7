/** Marks on what a fallback gave out, so that what one backend gave out never means anything to the other. @module */

import { randomId } from "../../src/ids.ts";
import type { Batch, Changes, Delivery, Entry, Operation } from "../../src/storage/backend.ts";

// A version of the primary is one that no record of the fallback has.
const NO_VERSION = "none";

/** A batch that says what it checks, also where that is nothing. */
export type CheckedBatch = Batch & Required<Pick<Batch, "checks">>;

/** The marks of one fallback. */
export class FallbackMarks {
  // No engine makes versions or tokens that begin so, nor does another fallback that is within this one's primary.
  readonly #mark = `fallback:${randomId()}:`;

  /** An entry of the fallback, as callers see it. */
  entry(entry: Entry): Entry {
    return { ...entry, version: this.#mark + entry.version };
  }

  /** A delivery of the fallback, as callers see it. */
  delivery(delivery: Delivery): Delivery {
    return { ...delivery, token: this.#mark + delivery.token };
  }

  /** Whether an operation is about a delivery of the fallback. */
  isMarked(operation: Operation): boolean {
    return "token" in operation && typeof operation.token === "string" && operation.token.startsWith(this.#mark);
  }

  /** A batch in the fallback's own terms. */
  unmark(batch: Batch): CheckedBatch {
    const length = this.#mark.length;
    return {
      ...batch,
      checks: (batch.checks ?? []).map(({ key, version }) => ({
        key,
        version: version === null ? null : version.startsWith(this.#mark) ? version.slice(length) : NO_VERSION,
      })),
      operations: batch.operations.map((operation) =>
        "token" in operation && this.isMarked(operation)
          ? { ...operation, token: operation.token.slice(length) }
          : operation
      ),
    };
  }
}

/** Changes that one of both told of, with a cursor that says so. */
export function withCursorOf(backend: "primary" | "fallback", changes: Changes): Changes {
  return { ...changes, cursor: `${backend}:${changes.cursor}` };
}

/** The cursor as one of both gave it; `undefined` when it was the other. */
export function cursorFor(backend: "primary" | "fallback", cursor: string): string | undefined {
  return cursor.startsWith(`${backend}:`) ? cursor.slice(backend.length + 1) : undefined;
}
