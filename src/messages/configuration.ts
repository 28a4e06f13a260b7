/** The coordinator's settings: their units, defaults and bounds. @module */

import { DURATION, POSITIVE_DURATION, requireNumber, requireOptionsObject } from "../check.ts";
import { backoffDelayMs } from "../resilience/backoff.ts";

/** What a coordinator can be configured with. */
export interface CoordinatorConfiguration {
  /** How many ready, delayed and leased messages a mailbox may hold. @default {10_000} */
  readonly queueSize: number;
  /** How many times a message is tried again after its first delivery failed. @default {3} */
  readonly retryAttempts: number;
  /** The delay before the first retry, in milliseconds. @default {1000} */
  readonly backoffBaseMs: number;
  /** By how much each delay is longer than the one before it. @default {2} */
  readonly backoffFactor: number;
  /** The longest delay before a retry, in milliseconds. @default {30_000} */
  readonly backoffMaxMs: number;
  /** How long a received message is the receiver's, in milliseconds. @default {5000} */
  readonly visibilityTimeoutMs: number;
  /** How long at least a mailbox remembers the ids it has seen, in milliseconds. @default {300_000} */
  readonly dedupeWindowMs: number;
}

/** The defaults, those of the Python original where it had the setting. */
export const DEFAULT_CONFIGURATION: CoordinatorConfiguration = {
  queueSize: 10_000,
  retryAttempts: 3,
  backoffBaseMs: 1000,
  backoffFactor: 2,
  backoffMaxMs: 30_000,
  visibilityTimeoutMs: 5000,
  dedupeWindowMs: 300_000,
};

const RULES = {
  queueSize: { min: 1, max: Number.MAX_SAFE_INTEGER, integer: true },
  retryAttempts: { min: 0, max: 999_999, integer: true },
  backoffBaseMs: DURATION,
  backoffFactor: { min: 1, max: 1000 },
  backoffMaxMs: DURATION,
  visibilityTimeoutMs: POSITIVE_DURATION,
  dedupeWindowMs: DURATION,
};

/**
 * A configuration with some settings changed.
 *
 * @throws {TypeError | RangeError} Naming the setting and the rule that it breaks; nothing is changed then.
 */
export function changeConfiguration(
  configuration: CoordinatorConfiguration,
  changes: Partial<CoordinatorConfiguration>,
): CoordinatorConfiguration {
  requireOptionsObject("configure()", changes);
  const changed: { -readonly [Name in keyof CoordinatorConfiguration]: number } = { ...configuration };
  for (const [name, value] of Object.entries(changes)) {
    if (!isSetting(name)) {
      throw new TypeError(`Cannot use ${name}: there is no such setting, only ${Object.keys(RULES).join(", ")}`);
    }
    if (value === undefined) continue;
    changed[name] = requireNumber(name, value, RULES[name]);
  }
  return changed;
}

/** How long a message waits that is given back after delivery `attempt`, 1 for the first. */
export function retryDelayMs(configuration: CoordinatorConfiguration, attempt: number): number {
  const { backoffBaseMs: baseDelayMs, backoffFactor: factor, backoffMaxMs: maxDelayMs } = configuration;
  return backoffDelayMs({ attempt, baseDelayMs, factor, maxDelayMs });
}

function isSetting(name: string): name is keyof CoordinatorConfiguration {
  return Object.hasOwn(RULES, name);
}
