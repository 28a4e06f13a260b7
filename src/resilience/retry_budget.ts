/** A retry budget: a bucket of tokens that keeps retries from multiplying the load on a service. @module */

import { type OptionNames, requireNumber, requireOptions } from "../check.ts";
import type { ErrorCategory } from "./error_category.ts";

/** Pays for retries. {@linkcode RetryBudget} is one for this process, {@linkcode SharedRetryBudget} one for a fleet. */
export interface RetryBudgetLike {
  /** Pays for a retry after an error: the tokens that it cost, or `null` when there are not enough. */
  spend(category: ErrorCategory): number | null | Promise<number | null>;
  /** A call has succeeded, and its last retry had cost `spent` tokens; 0 when it needed none. */
  succeed(spent: number): void | Promise<void>;
}

/** How a budget counts. The defaults are those of the AWS SDKs' standard mode, version 2.1. */
export interface RetryBudgetOptions {
  /** The most tokens, and how many there are at first. @default {500} */
  readonly capacity?: number;
  /** What a retry costs. @default {14} */
  readonly retryCost?: number;
  /** What a retry after a rate limit costs. @default {5} */
  readonly rateLimitCost?: number;
  /** What a success without any retry gives back. @default {1} */
  readonly successCredit?: number;
}

/** All options of a budget. */
export const BUDGET_OPTIONS: OptionNames<RetryBudgetOptions> = {
  capacity: true,
  retryCost: true,
  rateLimitCost: true,
  successCredit: true,
};

/** Checked options, with every default filled in. */
export type RetryBudgetRules = Required<RetryBudgetOptions>;

/**
 * Checks the options of a budget.
 *
 * @throws {TypeError | RangeError} Naming the option that is not a number within its bounds.
 */
export function budgetRules(options: RetryBudgetOptions): RetryBudgetRules {
  requireOptions("RetryBudget", options, BUDGET_OPTIONS);
  const { capacity = 500, retryCost = 14, rateLimitCost = 5, successCredit = 1 } = options;
  requireNumber("capacity", capacity, { min: 1, max: MAX_TOKENS });
  requireNumber("retryCost", retryCost, { min: 0, max: MAX_TOKENS });
  requireNumber("rateLimitCost", rateLimitCost, { min: 0, max: MAX_TOKENS });
  requireNumber("successCredit", successCredit, { min: 0, max: MAX_TOKENS });
  return { capacity, retryCost, rateLimitCost, successCredit };
}

const MAX_TOKENS = 1e9;

/** Requires what a retry may have cost: what is no number would be the last that the budget ever counts. */
export function requireSpent(spent: number): void {
  requireNumber("spent", spent, { min: 0, max: MAX_TOKENS });
}

/** What a retry after such an error costs. */
export function retryCost(rules: RetryBudgetRules, category: ErrorCategory): number {
  return category === "rate_limit" ? rules.rateLimitCost : rules.retryCost;
}

/**
 * A retry budget for this process, to be shared by all calls to one service. First tries are free; each retry takes
 * tokens, a success gives back what its last retry took, or a little when it needed none. When most calls fail, the
 * bucket runs dry, and calls fail at once instead of trying again.
 *
 * @example
 * ```ts
 * import { RetryBudget, retryWithBackoff } from "@tta/agent-coordination";
 *
 * const budget = new RetryBudget({ capacity: 100 });
 * console.log(await retryWithBackoff(() => Promise.resolve("answer"), { budget })); // answer
 * ```
 */
export class RetryBudget implements RetryBudgetLike {
  readonly #rules: RetryBudgetRules;
  #tokens: number;

  /**
   * Makes a full budget.
   *
   * @throws {TypeError | RangeError} Naming the option that is not a number within its bounds.
   */
  constructor(options: RetryBudgetOptions = {}) {
    this.#rules = budgetRules(options);
    this.#tokens = this.#rules.capacity;
  }

  /** How many tokens there are. */
  get tokens(): number {
    return this.#tokens;
  }

  spend(category: ErrorCategory): number | null {
    const cost = retryCost(this.#rules, category);
    if (cost > this.#tokens) return null;
    this.#tokens -= cost;
    return cost;
  }

  succeed(spent: number): void {
    requireSpent(spent);
    this.#tokens = Math.min(this.#rules.capacity, this.#tokens + (spent || this.#rules.successCredit));
  }
}
