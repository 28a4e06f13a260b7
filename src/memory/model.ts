/** What a memory holds and what a search gives. @module */

import type { JsonValue } from "../storage/json.ts";

/** An entry that a search found. */
export interface SearchHit {
  readonly key: string;
  /** A copy of the value. */
  readonly value: JsonValue;
  /** How well it fits: the higher the better, and to be compared within one answer only. */
  readonly score: number;
  /** The words of the query that the entry holds itself; none when its neighbours or its meaning speak for it. */
  readonly matched: readonly string[];
}
