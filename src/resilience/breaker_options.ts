/** How a circuit breaker is configured: options, defaults and their checks. @module */

import {
  type OptionNames,
  POSITIVE_DURATION,
  requireBackend,
  requireBoolean,
  requireClock,
  requireFunction,
  requireNamespace,
  requireNumber,
  requireOptions,
  requireString,
} from "../check.ts";
import { type Clock, systemClock } from "../clock.ts";
import type { StorageBackend } from "../storage/backend.ts";
import { encodeKey, type Key, toNamespace } from "../storage/key.ts";
import { backoffDelayMs, type RandomSource } from "./backoff.ts";
import type { ProbeRules } from "./breaker_state.ts";
import type { FailureRate } from "./trip_rule.ts";

/** The last part of the key beside an open record, where the engine has a clock. */
export const OPEN_TIME = "open_time";

/** How to make a {@linkcode CircuitBreaker}. */
export interface CircuitBreakerOptions {
  /** Names the breaker, by 1 to 256 characters: who uses one name on one backend shares it. @default {"default"} */
  readonly name?: string;
  /** Where the state is shared; without one, the breaker is this process's own. */
  readonly backend?: StorageBackend;
  /** Whose breaker it is, where the backend is shared by several. @default {"ao"} */
  readonly namespace?: string | Key;

  /** How many failures in a row open the breaker. @default {5} */
  readonly failureThreshold?: number;
  /** Opens the breaker by the share of failures in a window of time instead. */
  readonly failureRate?: FailureRate;
  /**
   * Whether an error is a failure, now or as a promise, which the call then waits for; one that is not counts as a
   * success, for the other side has answered. Where this itself fails, the error counts as a
   * failure. @default {every error is}
   */
  readonly isFailure?: (error: unknown) => boolean | PromiseLike<boolean>;
  /** How long a call may take before it is ended and counts as failed, in milliseconds. @default {Infinity} */
  readonly callTimeoutMs?: number;

  /** How long the breaker stays open, in milliseconds. @default {60_000} */
  readonly openMs?: number;
  /** By how much each open time is longer than the one before, until the breaker closes. @default {1} */
  readonly openFactor?: number;
  /** The longest open time, jitter aside, in milliseconds. @default {the larger of openMs and 600_000} */
  readonly maxOpenMs?: number;
  /** By what share of itself, at most, an open time is made longer by chance. @default {0} */
  readonly openJitter?: number;

  /** How many probes may be under way at once in the whole fleet while the breaker is half open. @default {3} */
  readonly halfOpenMaxCalls?: number;
  /** How many probes must succeed to close the breaker. @default {2} */
  readonly successThreshold?: number;
  /**
   * How long a probe may take before it counts as failed, in milliseconds; not less than `callTimeoutMs`.
   * @default {30_000, or callTimeoutMs and a second}
   */
  readonly probeLeaseMs?: number;

  /** Whether calls are refused, with the store's error, while the store cannot be reached. @default {false} */
  readonly strict?: boolean;
  /**
   * How long at most a call waits for the store: the first, one that opens it, a probe; in
   * milliseconds. @default {1000}
   */
  readonly storeTimeoutMs?: number;
  /**
   * How often at most, while calls are made, the record is looked at though nothing was heard, in
   * milliseconds. @default {1000}
   */
  readonly pollIntervalMs?: number;
  /** How long an unused record is kept, in milliseconds. @default {86_400_000} */
  readonly recordTtlMs?: number;

  /** The source of time. @default {systemClock} */
  readonly clock?: Clock;
  /** The source of jitter. @default {Math.random} */
  readonly random?: RandomSource;
}

const OPTIONS: OptionNames<CircuitBreakerOptions> = {
  name: true,
  backend: requireBackend,
  namespace: requireNamespace,
  failureThreshold: true,
  failureRate: true,
  isFailure: requireFunction,
  callTimeoutMs: true,
  openMs: true,
  openFactor: true,
  maxOpenMs: true,
  openJitter: true,
  halfOpenMaxCalls: true,
  successThreshold: true,
  probeLeaseMs: true,
  strict: requireBoolean,
  storeTimeoutMs: true,
  pollIntervalMs: true,
  recordTtlMs: true,
  clock: requireClock,
  random: requireFunction,
};

/** Checked options, with every default filled in. */
export interface BreakerConfig {
  readonly name: string;
  readonly backend: StorageBackend | null;
  readonly key: Key;
  readonly failureThreshold: number;
  readonly failureRate: FailureRate | null;
  readonly isFailure: (error: unknown) => boolean | PromiseLike<boolean>;
  readonly callTimeoutMs: number | undefined;
  readonly openMs: number;
  readonly openFactor: number;
  readonly maxOpenMs: number;
  readonly openJitter: number;
  readonly rules: ProbeRules;
  readonly probeLeaseMs: number;
  readonly strict: boolean;
  readonly storeTimeoutMs: number;
  readonly pollIntervalMs: number;
  readonly recordTtlMs: number;
  readonly clock: Clock;
  readonly random: RandomSource;
}

/**
 * Checks the options of a breaker.
 *
 * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
 */
export function breakerConfig(options: CircuitBreakerOptions): BreakerConfig {
  requireOptions("CircuitBreaker", options, OPTIONS);
  const { name = "default", backend, namespace = "ao", failureThreshold = 5, failureRate } = options;
  const { isFailure = () => true, callTimeoutMs = Infinity } = options;
  const { openMs = 60_000, openFactor = 1, openJitter = 0, maxOpenMs = Math.max(openMs, 600_000) } = options;
  const { halfOpenMaxCalls = 3, successThreshold = 2 } = options;
  const { probeLeaseMs = callTimeoutMs === Infinity ? 30_000 : callTimeoutMs + 1000 } = options;
  const { strict = false, storeTimeoutMs = 1000, pollIntervalMs = 1000, recordTtlMs = 86_400_000 } = options;
  const { clock = systemClock, random = Math.random } = options;
  requireString("name", name, 1, 256);
  const key = [...toNamespace(namespace), "breaker", name];
  encodeKey([...key, OPEN_TIME]); // a key that no store takes must not pass for an outage
  requireNumber("failureThreshold", failureThreshold, COUNT);
  if (failureRate !== undefined) requireRate(failureRate);
  if (callTimeoutMs !== Infinity) requireNumber("callTimeoutMs", callTimeoutMs, POSITIVE_DURATION);
  requireNumber("openMs", openMs, POSITIVE_DURATION);
  requireNumber("openFactor", openFactor, { min: 1, max: 1000 });
  requireNumber("maxOpenMs", maxOpenMs, { ...POSITIVE_DURATION, min: openMs });
  requireNumber("openJitter", openJitter, { min: 0, max: 10 });
  requireNumber("halfOpenMaxCalls", halfOpenMaxCalls, { ...COUNT, max: 1000 });
  requireNumber("successThreshold", successThreshold, COUNT);
  const leastLeaseMs = callTimeoutMs === Infinity ? 1 : callTimeoutMs;
  requireNumber("probeLeaseMs", probeLeaseMs, { ...POSITIVE_DURATION, min: leastLeaseMs });
  requireNumber("storeTimeoutMs", storeTimeoutMs, POSITIVE_DURATION);
  requireNumber("pollIntervalMs", pollIntervalMs, POSITIVE_DURATION);
  requireNumber("recordTtlMs", recordTtlMs, POSITIVE_DURATION);
  return {
    name,
    backend: backend ?? null,
    key,
    failureThreshold,
    failureRate: failureRate ?? null,
    isFailure,
    callTimeoutMs: callTimeoutMs === Infinity ? undefined : callTimeoutMs,
    openMs,
    openFactor,
    maxOpenMs,
    openJitter,
    rules: { halfOpenMaxCalls, successThreshold },
    probeLeaseMs,
    strict,
    storeTimeoutMs,
    pollIntervalMs,
    recordTtlMs,
    clock,
    random,
  };
}

/** How long the breaker is to stay open when it opens for the `openings`-th time in a row, in whole milliseconds. */
export function openTimeMs(
  { openMs, openFactor, maxOpenMs, openJitter, random }: BreakerConfig,
  openings: number,
): number {
  const plainMs = backoffDelayMs({ attempt: openings, baseDelayMs: openMs, factor: openFactor, maxDelayMs: maxOpenMs });
  return Math.ceil(plainMs * (1 + openJitter * random()));
}

const RATE_OPTIONS: OptionNames<FailureRate> = { threshold: true, windowMs: true, minimumCalls: true };

const COUNT = { min: 1, max: Number.MAX_SAFE_INTEGER, integer: true };

function requireRate(rate: FailureRate): void {
  requireOptions("failureRate", rate, RATE_OPTIONS);
  const { threshold, windowMs, minimumCalls = 10 } = rate;
  requireNumber("failureRate.threshold", threshold, { min: Number.MIN_VALUE, max: 1 });
  requireNumber("failureRate.windowMs", windowMs, POSITIVE_DURATION);
  requireNumber("failureRate.minimumCalls", minimumCalls, COUNT);
}
