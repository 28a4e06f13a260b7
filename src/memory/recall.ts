/** Chooses the best evidence that fits a budget. @module */

import { requireNumber, typeName } from "../check.ts";
import type { JsonValue } from "../storage/json.ts";
import type { Recalled, RecallOptions, SearchHit } from "./model.ts";
import { stringsOf } from "./text.ts";

/** An entry to choose, with what decides about its place in the answer. */
export interface Evidence {
  readonly hit: SearchHit;
  readonly createdAtMs: number;
  readonly sequence: number;
}

/** So many of the best entries are looked at. */
export const MAX_EVIDENCE = 200;

// English text has about so many characters a token.
const CHARACTERS_A_TOKEN = 4;

/** A checked budget. */
export class Budget {
  readonly #maxTokens: number;
  readonly #countTokens: (value: JsonValue) => number;

  /**
   * Checks a budget.
   *
   * @throws {TypeError | RangeError} When it is none.
   */
  constructor({ maxTokens, countTokens = estimateTokens }: RecallOptions) {
    this.#maxTokens = requireNumber("maxTokens", maxTokens, { min: 0, max: Infinity });
    if (typeof countTokens !== "function") {
      throw new TypeError(`Cannot use countTokens: it must be a function, got ${typeName(countTokens)}`);
    }
    this.#countTokens = countTokens;
  }

  /**
   * Takes the best that fits, in the order of their scores; what is too large is passed over for what is not. What was
   * taken stands in the order of time, so that the same evidence always reads the same.
   *
   * @throws {TypeError | RangeError} When `countTokens` gives no number from 0.
   */
  spend(evidence: readonly Evidence[]): Recalled {
    const taken: Evidence[] = [];
    let tokens = 0;
    for (const each of evidence) {
      const size = requireNumber("countTokens", this.#countTokens(each.hit.value), { min: 0, max: Infinity });
      if (tokens + size > this.#maxTokens) continue;
      tokens += size;
      taken.push(each);
    }
    taken.sort((a, b) => a.createdAtMs - b.createdAtMs || a.sequence - b.sequence || (a.hit.key < b.hit.key ? -1 : 1));
    return { hits: taken.map(({ hit }) => hit), tokens };
  }
}

function estimateTokens(value: JsonValue): number {
  return Math.ceil(stringsOf(value).join("\n").length / CHARACTERS_A_TOKEN);
}
