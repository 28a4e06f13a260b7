/** How an agent registry is configured: options, defaults and their checks. @module */

import {
  MAX_DURATION_MS,
  type OptionNames,
  POSITIVE_DURATION,
  requireBoolean,
  requireClock,
  requireNamespace,
  requireNumber,
  requireOptions,
} from "../check.ts";
import { type Clock, systemClock } from "../clock.ts";
import { type Key, toNamespace } from "../storage/key.ts";
import type { HoldRule } from "./liveness.ts";

/** How to make an `AgentRegistry`. */
export interface AgentRegistryOptions {
  /** What all of its keys begin with; two namespaces never see each other. @default {"ao"} */
  readonly namespace?: string | Key;
  /** How long an agent counts as alive after a heartbeat, in milliseconds; 10 at least. @default {30_000} */
  readonly heartbeatTtlMs?: number;
  /** How often heartbeats are sent, in milliseconds; at most half the TTL. @default {heartbeatTtlMs / 3} */
  readonly heartbeatIntervalMs?: number;
  /** How long an agent is suspect before it is dead, in milliseconds. @default {heartbeatTtlMs / 2} */
  readonly suspicionMs?: number;
  /** How long a saved state outlives its agent, in milliseconds. @default {604_800_000, a week} */
  readonly stateRetentionMs?: number;
  /** How long the record of an event is kept for those who watch, in milliseconds. @default {600_000} */
  readonly eventRetentionMs?: number;
  /** Deaths are held back when a larger share of a type falls silent at once. @default {0.15} */
  readonly holdShare?: number;
  /** Deaths are not held back when fewer agents of a type than this fall silent at once. @default {5} */
  readonly holdMinimum?: number;
  /** How long deaths are held back, in milliseconds. @default {heartbeatTtlMs} */
  readonly holdMs?: number;
  /**
   * Whether an agent of this process that was declared dead by mistake is registered again by its next heartbeat, as a
   * new incarnation, when nobody has taken its place. @default {true}
   */
  readonly rejoin?: boolean;
  /** The source of time. @default {systemClock} */
  readonly clock?: Clock;
}

const OPTIONS: OptionNames<AgentRegistryOptions> = {
  namespace: requireNamespace,
  heartbeatTtlMs: true,
  heartbeatIntervalMs: true,
  suspicionMs: true,
  stateRetentionMs: true,
  eventRetentionMs: true,
  holdShare: true,
  holdMinimum: true,
  holdMs: true,
  rejoin: requireBoolean,
  clock: requireClock,
};

/** Checked options, with every default filled in. */
export interface RegistryConfig {
  readonly namespace: Key;
  readonly ttlMs: number;
  readonly intervalMs: number;
  readonly suspicionMs: number;
  readonly stateRetentionMs: number;
  readonly recordTtlMs: number;
  readonly eventRetentionMs: number;
  readonly hold: HoldRule;
  readonly holdMs: number;
  readonly rejoin: boolean;
  readonly clock: Clock;
}

// Records of agents that nobody is there to declare dead are gone after a day, or after ten TTLs.
const RECORD_TTL_MS = 86_400_000;

/**
 * Checks the options of a registry.
 *
 * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
 */
export function registryConfig(options: AgentRegistryOptions): RegistryConfig {
  requireOptions("AgentRegistry", options, OPTIONS);
  const { namespace = "ao", heartbeatTtlMs: ttlMs = 30_000, clock = systemClock, rejoin = true } = options;
  const { heartbeatIntervalMs: intervalMs = ttlMs / 3, suspicionMs = ttlMs / 2, holdMs = ttlMs } = options;
  const { stateRetentionMs = 7 * 86_400_000, eventRetentionMs = 600_000 } = options;
  const { holdShare = 0.15, holdMinimum = 5 } = options;
  requireNumber("heartbeatTtlMs", ttlMs, { min: 10, max: MAX_DURATION_MS / 100 });
  requireNumber("heartbeatIntervalMs", intervalMs, { min: 1, max: ttlMs / 2 });
  requireNumber("suspicionMs", suspicionMs, POSITIVE_DURATION);
  requireNumber("stateRetentionMs", stateRetentionMs, POSITIVE_DURATION);
  requireNumber("eventRetentionMs", eventRetentionMs, POSITIVE_DURATION);
  requireNumber("holdShare", holdShare, { min: 0, max: 1 });
  requireNumber("holdMinimum", holdMinimum, { min: 1, max: Number.MAX_SAFE_INTEGER, integer: true });
  requireNumber("holdMs", holdMs, POSITIVE_DURATION);
  return {
    namespace: toNamespace(namespace),
    ttlMs,
    intervalMs,
    suspicionMs,
    stateRetentionMs,
    recordTtlMs: Math.max(RECORD_TTL_MS, 10 * (ttlMs + suspicionMs)),
    eventRetentionMs,
    hold: { share: holdShare, minimum: holdMinimum },
    holdMs,
    rejoin,
    clock,
  };
}
