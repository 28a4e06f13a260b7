/** The circuit breaker's state as it is stored: to JSON and back. @module */

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

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCount(value: JsonValue | undefined): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isDuration(value: JsonValue | undefined): value is number {
  return typeof value === "number" && value >= 0;
}
