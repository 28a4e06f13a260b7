/** Marks on what a fallback gave out, so that what one backend gave out never means anything to the other. @module */

import type { Batch, Changes, Delivery, Entry, Operation } from "../../src/storage/backend.ts";

// No engine makes versions or tokens that begin so.
const MARK = "fallback:";

// A version of the primary is one that no record of the fallback has.
const NO_VERSION = "none";

/** An entry of the fallback, as callers see it. */
export function withFallbackVersion(entry: Entry): Entry {
  return { ...entry, version: MARK + entry.version };
}

/** A delivery of the fallback, as callers see it. */
export function fromFallback(delivery: Delivery): Delivery {
  return { ...delivery, token: MARK + delivery.token };
}

/** Whether a token names a delivery of the fallback. */
export function isFallbackToken(token: string): boolean {
  return typeof token === "string" && token.startsWith(MARK);
}

/** A batch in the fallback's own terms. */
export function toFallback(batch: Batch): Batch {
  return {
    ...batch,
    checks: (batch.checks ?? []).map(({ key, version }) => ({
      key,
      version: version === null ? null : version.startsWith(MARK) ? version.slice(MARK.length) : NO_VERSION,
    })),
    operations: batch.operations.map(unmark),
  };
}

/** Changes that one of both told of, with a cursor that says so. */
export function withCursorOf(backend: "primary" | "fallback", changes: Changes): Changes {
  return { ...changes, cursor: `${backend}:${changes.cursor}` };
}

/** The cursor as one of both gave it; `undefined` when it was the other. */
export function cursorFor(backend: "primary" | "fallback", cursor: string): string | undefined {
  return cursor.startsWith(`${backend}:`) ? cursor.slice(backend.length + 1) : undefined;
}

function unmark(operation: Operation): Operation {
  if (!("token" in operation) || !isFallbackToken(operation.token)) return operation;
  return { ...operation, token: operation.token.slice(MARK.length) };
}
