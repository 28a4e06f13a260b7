/** Chooses the best evidence that fits a budget. @module */

import { type OptionNames, requireFunction, requireNumber, requireOptions } from "../check.ts";
import type { JsonValue } from "../storage/json.ts";
import type { Recalled, RecallOptions, SearchHit } from "./model.ts";
import { SEARCH_OPTIONS } from "./search_query.ts";
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

const { limit: _limit, ...OTHER_OPTIONS } = SEARCH_OPTIONS;
const OPTIONS: OptionNames<RecallOptions> = { ...OTHER_OPTIONS, maxTokens: true, countTokens: requireFunction };

/** A checked budget. */
export class Budget {
  readonly #maxTokens: number;
  readonly #countTokens: (value: JsonValue) => number;

  /**
   * Checks a budget.
   *
   * @throws {TypeError | RangeError} When it is none.
   */
  constructor(options: RecallOptions) {
    requireOptions("recall()", options, OPTIONS);
    const { maxTokens, countTokens = estimateTokens } = options;
    this.#maxTokens = requireNumber("maxTokens", maxTokens, { min: 0, max: Infinity });
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
