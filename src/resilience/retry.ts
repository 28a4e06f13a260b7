/** Tries a function again until it succeeds, a try makes no sense, or a bound is reached. @module */

import {
  DURATION,
  type OptionNames,
  POSITIVE_DURATION,
  requireClock,
  requireFunction,
  requireMethods,
  requireNumber,
  requireOptions,
  requireSignal,
} from "../check.ts";
import { type Clock, monotonicMs, sleep, systemClock } from "../clock.ts";
import { tellSafely } from "../errors.ts";
import { recordRetriesExhausted, recordRetry } from "../observability/primitive_telemetry.ts";
import { backoffDelays, type JitterKind, JITTERS, type RandomSource, requireCurve } from "./backoff.ts";
import { classifyError, isRetryable } from "./error_category.ts";
import { retryAfterMs } from "./retry_after.ts";
import type { RetryBudgetLike } from "./retry_budget.ts";
import { type BoundedRun, runBounded, timeLimitError } from "./time_limit.ts";

/** What a try is told. */
export interface TryContext {
  /** Which try this is: 1 for the first. */
  readonly attempt: number;
  /** Aborted when the try's time limit passes or the caller's signal is aborted; `undefined` where neither is set. */
  readonly signal: AbortSignal | undefined;
}

/** How to try again. `Fallback` is what {@linkcode RetryConfig.fallback} gives. */
export interface RetryConfig<Fallback = never> {
  /** How many tries may follow the first. @default {3} */
  readonly maxRetries?: number;
  /** The delay before the first retry, in milliseconds. @default {1000} */
  readonly baseDelayMs?: number;
  /** The longest delay, in milliseconds. @default {the larger of baseDelayMs and 60_000} */
  readonly maxDelayMs?: number;
  /** By how much each delay is longer than the one before. @default {2} */
  readonly exponentialBase?: number;
  /** How delays are spread; `true` is `"full"`, `false` is `"none"`. @default {true} */
  readonly jitter?: JitterKind | boolean;
  /** How long each try may take, in milliseconds. @default {Infinity} */
  readonly tryTimeoutMs?: number;
  /** How long all tries and delays together may take, in milliseconds. @default {Infinity} */
  readonly deadlineMs?: number;
  /** The longest wait that the other side may ask for by `Retry-After`; longer ones are cut. @default {maxDelayMs} */
  readonly maxRetryAfterMs?: number;
  /**
   * Whether to try again after the failure of try `attempt` (1 for the first), now or as a promise. What it throws ends
   * the tries, with no fallback. @default {isRetryable}
   */
  readonly shouldRetry?: (error: unknown, attempt: number) => boolean | PromiseLike<boolean>;
  /** Told of each retry before its delay. What it throws is ignored. */
  readonly onRetry?: (error: unknown, attempt: number, delayMs: number) => void;
  /** Gives the result when all has failed, unless the caller's signal was aborted. */
  readonly fallback?: (error: unknown) => Fallback | PromiseLike<Fallback>;
  /** Ends a delay or a try at once, and calls nothing more. */
  readonly signal?: AbortSignal | undefined;
  /** Pays for retries; where it cannot, there are none. */
  readonly budget?: RetryBudgetLike;
  /** The source of time. @default {systemClock} */
  readonly clock?: Clock;
  /** The source of jitter. @default {Math.random} */
  readonly random?: RandomSource;
}

/**
 * Calls `fn` until it succeeds: again after a failure that another try may help, with delays that grow exponentially.
 *
 * @example
 * ```ts
 * import { retryWithBackoff } from "@tta/agent-coordination";
 *
 * let tries = 0;
 * const answer = await retryWithBackoff(() => {
 *   if (++tries < 3) throw new Error("connection reset");
 *   return "answer";
 * }, { baseDelayMs: 1 });
 * console.log(answer, tries); // answer 3
 * ```
 *
 * @throws The error of the last try, when there is no fallback.
 * @throws {DOMException} Named `TimeoutError`, when the last try ran into its time limit or the deadline.
 * @throws The signal's reason, when it is aborted.
 * @throws {TypeError | RangeError} Naming the option that breaks a rule.
 */
export async function retryWithBackoff<Result, Fallback = never>(
  fn: (context: TryContext) => Result | PromiseLike<Result>,
  config: RetryConfig<Fallback> = {},
): Promise<Result | Fallback> {
  requireFunction("fn", fn);
  return await runTries(fn, planRetries(config));
}

/**
 * A function that does what `fn` does, with retries: each call is a {@linkcode retryWithBackoff} of its own, on the
 * same `this`. The options are read once, here.
 *
 * @example
 * ```ts
 * import { withRetry } from "@tta/agent-coordination";
 *
 * const double = withRetry((n: number) => Promise.resolve(n * 2), { maxRetries: 5 });
 * console.log(await double(21)); // 42
 * ```
 *
 * @throws {TypeError | RangeError} Naming the option that breaks a rule.
 */
export function withRetry<Args extends readonly unknown[], Result, Fallback = never>(
  fn: (...args: Args) => Result | PromiseLike<Result>,
  config: RetryConfig<Fallback> = {},
): (...args: Args) => Promise<Result | Fallback> {
  requireFunction("fn", fn);
  const plan = planRetries(config);
  return function (this: unknown, ...args) {
    return runTries(() => Reflect.apply(fn, this, args), plan);
  };
}

async function runTries<Result, Fallback>(
  fn: (context: TryContext) => Result | PromiseLike<Result>,
  plan: RetryPlan<Fallback>,
): Promise<Result | Fallback> {
  const { signal, budget, clock } = plan;
  const endsAtMs = plan.deadlineMs === Infinity ? Infinity : monotonicMs(clock) + plan.deadlineMs;
  const nextDelayMs = backoffDelays(plan.curve, plan.jitter, plan.random);
  let retries = 0;
  let spent = 0;
  let lastError: unknown;
  for (let attempt = 1;; attempt++) {
    const outcome = await runTry(fn, attempt, plan, endsAtMs, lastError).then(success, failure);
    if (outcome.ok) {
      await budget?.succeed(spent);
      return outcome.value;
    }
    if (signal?.aborted) throw signal.reason;
    lastError = outcome.error;
    if (attempt > plan.maxRetries || !await plan.shouldRetry(lastError, attempt)) break;
    const askedMs = Math.min(retryAfterMs(lastError, clock.now()) ?? 0, plan.maxRetryAfterMs);
    const delayMs = Math.max(nextDelayMs(), askedMs);
    if (monotonicMs(clock) + delayMs >= endsAtMs) break;
    const cost = await inTime(budget?.spend(classifyError(lastError)), plan, endsAtMs - delayMs);
    if (cost === null) break;
    spent = cost ?? 0;
    retries++;
    recordRetry(delayMs, lastError);
    tell(plan.onRetry, lastError, attempt, delayMs);
    await sleep(clock, delayMs, signal);
  }
  if (retries > 0) recordRetriesExhausted(lastError);
  if (plan.fallback) return await plan.fallback(lastError);
  throw lastError;
}

const OPTIONS: OptionNames<RetryConfig> = {
  maxRetries: true,
  baseDelayMs: true,
  maxDelayMs: true,
  exponentialBase: true,
  jitter: true,
  tryTimeoutMs: true,
  deadlineMs: true,
  maxRetryAfterMs: true,
  shouldRetry: requireFunction,
  onRetry: requireFunction,
  fallback: requireFunction,
  signal: requireSignal,
  budget: requireMethods("a retry budget", "spend", "succeed"),
  clock: requireClock,
  random: requireFunction,
};

function planRetries<Fallback>(config: RetryConfig<Fallback>) {
  requireOptions("retryWithBackoff()", config, OPTIONS);
  const { maxRetries = 3, baseDelayMs = 1000, exponentialBase = 2, jitter = true } = config;
  const { maxDelayMs = Math.max(baseDelayMs, 60_000) } = config;
  const { tryTimeoutMs = Infinity, deadlineMs = Infinity, maxRetryAfterMs = maxDelayMs } = config;
  const { shouldRetry = isRetryable, clock = systemClock, random = Math.random } = config;
  const { onRetry, fallback, signal, budget } = config;
  const curve = { baseDelayMs, maxDelayMs, factor: exponentialBase };
  requireNumber("maxRetries", maxRetries, { min: 0, max: Infinity, integer: true });
  requireCurve(curve, "exponentialBase");
  if (tryTimeoutMs !== Infinity) requireNumber("tryTimeoutMs", tryTimeoutMs, POSITIVE_DURATION);
  if (deadlineMs !== Infinity) requireNumber("deadlineMs", deadlineMs, POSITIVE_DURATION);
  requireNumber("maxRetryAfterMs", maxRetryAfterMs, DURATION);
  const jitterKind = typeof jitter === "boolean" ? (jitter ? "full" : "none") : jitter;
  if (!JITTERS.includes(jitterKind)) {
    throw new TypeError(`Cannot use jitter: it must be a boolean or one of ${JITTERS.join(", ")}`);
  }
  return {
    maxRetries,
    curve,
    jitter: jitterKind,
    tryTimeoutMs,
    deadlineMs,
    maxRetryAfterMs,
    shouldRetry,
    onRetry,
    fallback,
    signal,
    budget,
    clock,
    random,
  };
}

type RetryPlan<Fallback> = ReturnType<typeof planRetries<Fallback>>;

async function runTry<Result>(
  fn: (context: TryContext) => Result | PromiseLike<Result>,
  attempt: number,
  { signal, tryTimeoutMs, deadlineMs, clock }: Omit<RetryPlan<unknown>, "fallback">,
  endsAtMs: number,
  cause: unknown,
): Promise<Result> {
  const leftMs = endsAtMs === Infinity ? Infinity : endsAtMs - monotonicMs(clock);
  const limitMs = Math.min(tryTimeoutMs, leftMs);
  if (limitMs === Infinity && signal === undefined) return await fn({ attempt, signal: undefined });
  const overdue = () => timeLimitError("all tries", deadlineMs, attempt > 1 ? { cause } : undefined);
  if (limitMs <= 0) throw overdue(); // a timer of the delay fired late
  const tryIt = (bounded: BoundedRun) =>
    fn({
      attempt,
      get signal() {
        return bounded.signal;
      },
    });
  return await runBounded(tryIt, {
    clock,
    signal,
    limitMs: limitMs === Infinity ? undefined : limitMs,
    what: `try ${attempt}`,
    limitError: leftMs < tryTimeoutMs ? overdue : undefined,
  });
}

/** What a retry costs, `null` where that is not known in time: the store of a shared budget may be away. */
async function inTime<Cost>(
  cost: Cost | Promise<Cost>,
  { signal, clock }: Pick<RetryPlan<unknown>, "signal" | "clock">,
  endsAtMs: number,
): Promise<Cost | null> {
  if (!(cost instanceof Promise)) return cost;
  const limitMs = endsAtMs === Infinity ? undefined : endsAtMs - monotonicMs(clock);
  const what = "the retry budget";
  const late = timeLimitError(what, limitMs ?? 0);
  return await runBounded(() => cost, { clock, signal, limitMs, what, limitError: () => late }).catch((error) => {
    if (error === late) return null;
    throw error;
  });
}

const success = <Value>(value: Value) => ({ ok: true, value }) as const;
const failure = (error: unknown) => ({ ok: false, error }) as const;

function tell(onRetry: RetryPlan<unknown>["onRetry"], error: unknown, attempt: number, delayMs: number): void {
  tellSafely(() => onRetry?.(error, attempt, delayMs));
}
