/** The circuit breaker's state as it is stored: to JSON and back, and which of two states to believe. @module */

import type { JsonObject, JsonValue } from "../storage/json.ts";
import type { BreakerState, Probe } from "./breaker_state.ts";

/** The version of the stored format. A later one may add fields, never change the meaning of these. */
export const BREAKER_FORMAT = 1;

/** The stored form of a state: no times, for each observer counts durations on its own clock. */
export function encodeBreaker(state: BreakerState): JsonObject {
  const { kind, generation, revision, by } = state;
  const common = { v: BREAKER_FORMAT, kind, generation, revision, by };
  switch (state.kind) {
    case "closed":
      return common;
    case "open":
      return { ...common, openForMs: state.openForMs, openings: state.openings };
    case "half_open":
      return {
        ...common,
        probes: state.probes.map(({ id, leaseMs }) => ({ id, leaseMs })),
        successes: state.successes,
        openings: state.openings,
      };
    case "isolated":
      return { ...common, reason: state.reason };
  }
}

/**
 * The state that is stored, with durations counted from `nowMs`, or `null` when it is none that this version can read.
 * Unknown fields are passed over: a newer version may have added them.
 */
export function decodeBreaker(value: JsonValue, nowMs: number): BreakerState | null {
  if (!isObject(value)) return null;
  const { v, kind, generation, revision, by, openings = 1 } = value;
  if (!isCount(v) || !isCount(generation) || !isCount(revision) || typeof by !== "string") return null;
  const common = { generation, revision, by };
  if (kind === "closed") return { kind, ...common };
  if (kind === "isolated") return { kind, ...common, reason: typeof value.reason === "string" ? value.reason : "" };
  if (!isCount(openings)) return null;
  if (kind === "open") {
    const { openForMs } = value;
    return isDuration(openForMs) ? { kind, ...common, openForMs, sinceMs: nowMs, openings } : null;
  }
  if (kind !== "half_open") return null;
  const { successes, probes } = value;
  if (!isCount(successes) || !Array.isArray(probes)) return null;
  const decoded: Probe[] = [];
  for (const probe of probes) {
    if (!isObject(probe) || typeof probe.id !== "string" || !isDuration(probe.leaseMs)) return null;
    decoded.push({ id: probe.id, leaseMs: probe.leaseMs, sinceMs: nowMs });
  }
  return { kind, ...common, probes: decoded, successes, openings };
}

/**
 * Which state to believe: the stored one, unless this process is ahead of it because its own transition has not come to
 * the store yet. What was seen before keeps the moment at which it was first seen.
 *
 * @param known The last stored state that this process has seen: an earlier one is a read that a write has overtaken.
 */
export function reconcile(local: BreakerState, known: BreakerState, stored: BreakerState): BreakerState {
  if (stored.generation < local.generation || isOvertaken(stored, known)) return local;
  if (stored.kind === "open" && local.kind === "open" && isSameTransition(local, stored)) {
    return { ...stored, sinceMs: local.sinceMs };
  }
  if (stored.kind === "half_open" && local.kind === "half_open") {
    const seen = new Map(local.probes.map((probe) => [probe.id, probe.sinceMs]));
    const probes = stored.probes.map((probe) => ({ ...probe, sinceMs: seen.get(probe.id) ?? probe.sinceMs }));
    return { ...stored, probes };
  }
  return stored;
}

/** Whether `read` is older than what is known to be stored. */
export function isOvertaken(read: BreakerState, known: BreakerState): boolean {
  return read.generation < known.generation || (isSameTransition(read, known) && read.revision < known.revision);
}

/** Whether two states come from one transition: two processes may each have made one of the same number. */
export function isSameTransition(state: BreakerState, other: BreakerState): boolean {
  return state.generation === other.generation && state.by === other.by;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: JsonValue | undefined): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isDuration(value: JsonValue | undefined): value is number {
  return typeof value === "number" && value >= 0;
}
