/** The marks of a journal: what they say, and how they stand among the records of the fallback. @module */

import type { Entry, SetOperation } from "../../src/storage/backend.ts";
import type { JsonObject, JsonValue } from "../../src/storage/json.ts";
import { encodeKey, type Key } from "../../src/storage/key.ts";

/**
 * What is to be brought to the primary. A `record` was written or deleted; one that is `announced` perhaps not: it was
 * marked before the write itself, where both did not fit one batch, or the answer was lost. One that is `brought` is at
 * the primary, and stays in the fallback as long as that serves. `queue` holds messages, `cleared` is a prefix.
 */
export type MarkKind = "record" | "announced" | "brought" | "queue" | "cleared";

/** What is marked, how, and where in the fallback that stands. */
export interface Mark {
  readonly kind: MarkKind;
  readonly target: Key;
  readonly markKey: Key;
}

/**
 * Where the marks stand: it sorts before every other first part, so that a listing of everything can begin behind it.
 */
export const RESERVED = "\u0000unsynchronised";

/** Behind the last of the marks. */
export const BEHIND_RESERVED: Key = [RESERVED, "\u{10FFFF}"];

/** Makes a mark, the later the higher its number. */
export function newMark(kind: MarkKind, target: Key, number: number): Mark {
  return { kind, target, markKey: [RESERVED, String(number).padStart(16, "0")] };
}

/** The number of a mark. */
export function numberOf({ markKey }: Mark): number {
  return Number(markKey[1]);
}

/** A record has one mark, whichever its fate; queues and prefixes are marked apart from records. */
export function markName(kind: MarkKind, target: Key): string {
  return (kind === "queue" || kind === "cleared" ? kind : "record") + encodeKey(target);
}

/** What tells a mark from every other. */
export function nameOf({ kind, target }: Mark): string {
  return markName(kind, target);
}

/** The mark of a write that may never happen. */
export function announced(mark: Mark): Mark {
  return mark.kind === "record" ? { ...mark, kind: "announced" } : mark;
}

/** What stores a mark. */
export function toOperation({ kind, target, markKey }: Mark): SetOperation {
  return { type: "set", key: markKey, value: { v: 1, kind, target } };
}

/** The mark that was stored so; `null` where its format is not known. */
export function readMark({ key, value }: Entry): Mark | null {
  return isMark(value) ? { kind: value.kind, target: value.target, markKey: key } : null;
}

/** Records without the marks among them. */
export async function* withoutMarks(entries: AsyncIterable<Entry>): AsyncGenerator<Entry> {
  for await (const entry of entries) if (entry.key[0] !== RESERVED) yield entry;
}

function isMark(
  value: JsonValue,
): value is JsonObject & { readonly kind: MarkKind; readonly target: readonly string[] } {
  return typeof value === "object" && value !== null && "v" in value && value.v === 1 && "kind" in value;
}
