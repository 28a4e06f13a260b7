/** A search as it was asked for, checked, with all defaults filled in. @module */

import {
  type OptionNames,
  POSITIVE_DURATION,
  requireBoolean,
  requireNumber,
  requireOptions,
  requireString,
} from "../check.ts";
import { FieldFilter } from "./fields.ts";
import type { SearchMode, SearchOptions } from "./model.ts";
import type { RankQuery } from "./ranker.ts";

/** A checked search. */
export interface SearchQuery extends Required<Omit<SearchOptions, "where" | "neighbours">> {
  readonly text: string;
  readonly where: FieldFilter;
  readonly neighbours: RankQuery["neighbours"];
}

const MODES: readonly SearchMode[] = ["substring", "keyword", "semantic", "hybrid"];

/** The options of a search, for those who take them with others. */
export const SEARCH_OPTIONS: OptionNames<SearchOptions> = {
  limit: true,
  mode: true,
  prefix: true,
  sinceMs: true,
  untilMs: true,
  where: true,
  halfLifeMs: true,
  context: requireBoolean,
  neighbours: requireBoolean,
  weights: true,
};

// Words find what they name; a meaning is worth less where the embedder is a small one.
const DEFAULT_WEIGHTS = { keyword: 0.6, semantic: 0.4 };

/**
 * Checks a search.
 *
 * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
 */
export function checkSearch(text: string, options: SearchOptions, hasEmbedder: boolean): SearchQuery {
  requireOptions("a search", options, SEARCH_OPTIONS);
  const {
    limit = 5,
    mode = hasEmbedder ? "hybrid" : "keyword",
    prefix = "",
    sinceMs = -Infinity,
    untilMs = Infinity,
    where,
    halfLifeMs = Infinity,
    context = true,
    neighbours,
    weights = DEFAULT_WEIGHTS,
  } = options;
  requireString("query", text, 0, Infinity);
  requireNumber("limit", limit, { min: 0, max: Infinity, integer: true });
  if (!MODES.includes(mode)) throw new TypeError(`Cannot use mode: it must be one of ${MODES.join(", ")}`);
  if (!hasEmbedder && (mode === "semantic" || mode === "hybrid")) {
    throw new TypeError(`Cannot use mode ${mode}: the memory was made without an embedder`);
  }
  requireString("prefix", prefix, 0, Infinity);
  requireNumber("sinceMs", sinceMs, { min: -Infinity, max: Infinity });
  requireNumber("untilMs", untilMs, { min: -Infinity, max: Infinity });
  if (halfLifeMs !== Infinity) requireNumber("halfLifeMs", halfLifeMs, POSITIVE_DURATION);
  requireOptions("weights", weights, { keyword: true, semantic: true });
  requireNumber("weights.keyword", weights.keyword, { min: 0, max: 1e6 });
  requireNumber("weights.semantic", weights.semantic, { min: 0, max: 1e6 });
  return {
    text,
    limit,
    mode,
    prefix,
    sinceMs,
    untilMs,
    where: new FieldFilter(where),
    halfLifeMs,
    context,
    neighbours: neighbours === undefined ? "given" : neighbours ? "all" : "none",
    weights,
  };
}
