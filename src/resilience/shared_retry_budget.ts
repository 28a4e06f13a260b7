/** A retry budget for a fleet: one bucket of tokens in a storage backend, spent from by all processes. @module */

import {
  DURATION,
  type OptionNames,
  requireBackend,
  requireClock,
  requireNamespace,
  requireNumber,
  requireOptions,
  requireString,
} from "../check.ts";
import { type Clock, monotonicMs, systemClock } from "../clock.ts";
import type { StorageBackend } from "../storage/backend.ts";
import type { JsonValue } from "../storage/json.ts";
import { encodeKey, type Key, toNamespace } from "../storage/key.ts";
import type { ErrorCategory } from "./error_category.ts";
import {
  BUDGET_OPTIONS,
  budgetRules,
  RetryBudget,
  type RetryBudgetLike,
  type RetryBudgetOptions,
  type RetryBudgetRules,
  retryCost,
} from "./retry_budget.ts";

/** How to share a budget. */
export interface SharedRetryBudgetOptions extends RetryBudgetOptions {
  /** Where the tokens are. */
  readonly backend: StorageBackend;
  /** Names the budget: the processes that use one name share it. */
  readonly name: string;
  /** Whose budget it is. @default {"ao"} */
  readonly namespace?: string | Key;
  /** How long at least, in milliseconds, successes are counted here before they are credited there. @default {1000} */
  readonly creditIntervalMs?: number;
  /** The source of time. @default {systemClock} */
  readonly clock?: Clock;
}

const OPTIONS: OptionNames<SharedRetryBudgetOptions> = {
  ...BUDGET_OPTIONS,
  backend: requireBackend,
  name: true,
  namespace: requireNamespace,
  creditIntervalMs: true,
  clock: requireClock,
};

// A bucket that nobody has spent from for so long is full again: its record is gone.
const EXPIRES_IN_MS = 3600 * 1000;

// Each lost race means that another process went ahead.
const MAX_TRIES = 10;

/**
 * A retry budget that all processes share which use the same backend and name. A retry costs one read and one write;
 * successes are gathered and credited at most once an interval. Where the store cannot be reached, a budget of this
 * process stands in.
 */
export class SharedRetryBudget implements RetryBudgetLike {
  readonly #backend: StorageBackend;
  readonly #key: Key;
  readonly #rules: RetryBudgetRules;
  readonly #local: RetryBudget;
  readonly #clock: Clock;
  readonly #creditIntervalMs: number;
  #credit = 0;
  #creditedAtMs: number;
  /** Whether the store took what is being credited now; `null` when nothing is. */
  #crediting: Promise<boolean> | null = null;

  /**
   * Makes the budget, without a look at the store.
   *
   * @throws {TypeError | RangeError} Naming the option that breaks a rule.
   */
  constructor(options: SharedRetryBudgetOptions) {
    requireOptions("SharedRetryBudget", options, OPTIONS);
    const { backend, name, namespace = "ao", creditIntervalMs = 1000, clock = systemClock, ...rules } = options;
    requireBackend("backend", backend); // it cannot be left out
    requireString("name", name, 1, 256);
    requireNumber("creditIntervalMs", creditIntervalMs, DURATION);
    this.#backend = backend;
    this.#key = [...toNamespace(namespace), "retry_budget", name];
    encodeKey(this.#key); // a key that no store takes must not pass for an outage
    this.#rules = budgetRules(rules);
    this.#local = new RetryBudget(rules);
    this.#clock = clock;
    this.#creditIntervalMs = creditIntervalMs;
    this.#creditedAtMs = monotonicMs(clock);
  }

  async spend(category: ErrorCategory): Promise<number | null> {
    const cost = retryCost(this.#rules, category);
    const locally = this.#local.spend(category);
    try {
      const spent = await this.#change((tokens) => tokens < cost ? null : tokens - cost);
      return spent ? cost : null;
    } catch {
      return locally; // whether to try again must not depend on the store's health
    }
  }

  succeed(spent: number): void {
    this.#local.succeed(spent);
    this.#credit += spent || this.#rules.successCredit;
    const now = monotonicMs(this.#clock);
    if (now - this.#creditedAtMs < this.#creditIntervalMs) return;
    this.#creditedAtMs = now;
    void this.flush();
  }

  /** Credits what successes have earned, now. Does nothing where the store cannot be reached. */
  async flush(): Promise<void> {
    const before = this.#crediting;
    const crediting = this.#crediting = this.#creditAfter(before);
    await crediting;
    if (this.#crediting === crediting) this.#crediting = null;
  }

  /** Never rejects: what was earned and could not be credited is kept for the next time. */
  async #creditAfter(before: Promise<boolean> | null): Promise<boolean> {
    if (before && !await before) return false; // it is away still
    if (this.#credit === 0) return true;
    return await this.#change((tokens) => tokens).catch(() => false);
  }

  /** Changes the number of tokens, after adding what was earned; tells whether `next` agreed. */
  async #change(next: (tokens: number) => number | null): Promise<boolean> {
    const { capacity } = this.#rules;
    const credit = this.#credit;
    this.#credit = 0;
    try {
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        const [entry = null] = await this.#backend.get([this.#key]);
        const stored = entry === null ? capacity : tokensOf(entry.value, capacity);
        const tokens = next(Math.min(capacity, stored + credit));
        if (tokens === null) {
          this.#credit += credit;
          return false;
        }
        if (tokens === stored) return true;
        const { committed } = await this.#backend.commit({
          checks: [{ key: this.#key, version: entry?.version ?? null }],
          operations: [{ type: "set", key: this.#key, value: { v: 1, tokens }, expiresInMs: EXPIRES_IN_MS }],
        });
        if (committed) return true;
      }
      throw new Error(`Cannot change the retry budget: ${MAX_TRIES} tries met another process's`);
    } catch (error) {
      this.#credit = Math.min(capacity, this.#credit + credit);
      throw error;
    }
  }
}

/** What is no record of ours counts as a full bucket: it must not forbid retries. */
function tokensOf(value: JsonValue, capacity: number): number {
  const tokens = typeof value === "object" && value !== null ? Reflect.get(value, "tokens") : null;
  return typeof tokens === "number" && tokens >= 0 ? Math.min(tokens, capacity) : capacity;
}
