/** The options of a composite, its parts, their fallbacks and caches. @module */

import {
  DURATION,
  type NumberRule,
  type OptionCheck,
  type OptionNames,
  POSITIVE_DURATION,
  requireArray,
  requireBackend,
  requireBoolean,
  requireClock,
  requireNumber,
} from "../../src/check.ts";
import type { Clock } from "../../src/clock.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";

/** Who serves a part of the keys. */
export interface CompositeChild {
  /** The backend itself. */
  readonly backend: StorageBackend;
  /** Who serves while it is away. */
  readonly fallback?: StorageBackend | FallbackOptions;
  /** Keeps records that were read in this process, for as long as they are fresh. */
  readonly cache?: CacheOptions;
}

/** A part of the keys, and who serves it. */
export interface CompositeRoute extends CompositeChild {
  /** The keys that are equal to it or below it, unless a longer prefix matches. */
  readonly prefix: Key;
}

/** How to make a {@linkcode CompositeBackend}. */
export interface CompositeOptions {
  /** Serves what no route matches. */
  readonly default: StorageBackend | CompositeChild;
  /** The longest prefix that matches wins. @default {[]} */
  readonly routes?: readonly CompositeRoute[];
  /** The source of time for probes and ages. @default {systemClock} */
  readonly clock?: Clock;
}

/** How a fallback behaves. */
export interface FallbackOptions {
  /**
   * Serves while the primary is away. It belongs to this part of the keys in this process alone. What a durable one
   * holds from an earlier process is brought to the primary first: calls wait for that, for 10 seconds at the most, and
   * then fail with `BACKEND_UNAVAILABLE`.
   */
  readonly fallback: StorageBackend;
  /** Whether queues fall back too; else calls about queues fail at once while the primary is away. @default {false} */
  readonly queues?: boolean | undefined;
  /** How many records and messages may wait to be synchronised. @default {10_000} */
  readonly maxJournal?: number | undefined;
  /** How often the primary is probed while it is away, in milliseconds. @default {1000} */
  readonly probeIntervalMs?: number | undefined;
}

/** How long and how much is kept. */
export interface CacheOptions {
  /**
   * The longest time for which a record may be read that was changed by another process, in
   * milliseconds. @default {1000}
   */
  readonly maxAgeMs?: number | undefined;
  /**
   * How many records are kept, the least recently used going first. One of more than 65,536 characters of JSON is read
   * anew each time.
   *
   * @default {1000}
   */
  readonly maxEntries?: number | undefined;
}

const COUNT: NumberRule = { min: 1, max: Number.MAX_SAFE_INTEGER, integer: true };

/** All of a composite. */
export const COMPOSITE_OPTIONS: OptionNames<CompositeOptions> = {
  default: true,
  routes: requireArray,
  clock: requireClock,
};

/** All of the default, written out. */
export const CHILD_OPTIONS: OptionNames<CompositeChild> = { backend: requireBackend, fallback: true, cache: true };

/** All of a route. */
export const ROUTE_OPTIONS: OptionNames<CompositeRoute> = { prefix: true, ...CHILD_OPTIONS };

/** All of a fallback. */
export const FALLBACK_OPTIONS: OptionNames<FallbackOptions> = {
  fallback: requireBackend,
  queues: requireBoolean,
  maxJournal: numberOf(COUNT),
  probeIntervalMs: numberOf(POSITIVE_DURATION),
};

/** All of a cache. */
export const CACHE_OPTIONS: OptionNames<CacheOptions> = { maxAgeMs: numberOf(DURATION), maxEntries: numberOf(COUNT) };

/** Whether a backend is given, and not what describes one. */
export function isBackend(given: unknown): given is StorageBackend {
  return typeof given === "object" && given !== null && "commit" in given;
}

function numberOf(rule: NumberRule): OptionCheck {
  return (field, value) => void requireNumber(field, value, rule);
}
