/** The circuit breaker as a pure machine: states, events, and what becomes of one by the other. @module */

/** What all states have. */
interface Common {
  /** Rises by one at every transition; an outcome that belongs to an older one changes nothing. */
  readonly generation: number;
  /** Rises by one at every change within a generation. */
  readonly revision: number;
  /** Names the transition that led here, so that its author knows it again when the reply was lost. */
  readonly by: string;
}

/** Calls go through. */
export interface ClosedState extends Common {
  readonly kind: "closed";
}

/** Calls are rejected until the open time is over. */
export interface OpenState extends Common {
  readonly kind: "open";
  /** How long it lasts, in milliseconds. */
  readonly openForMs: number;
  /** When this process first saw it, on its own clock. Hosts' clocks may differ, so only durations are shared. */
  readonly sinceMs: number;
  /** How many times the breaker has opened since it was last closed. */
  readonly openings: number;
}

/** A few calls, the probes, try whether the other side is well again. */
export interface HalfOpenState extends Common {
  readonly kind: "half_open";
  /** The probes under way. */
  readonly probes: readonly Probe[];
  /** How many probes have succeeded. */
  readonly successes: number;
  /** How many times the breaker has opened since it was last closed. */
  readonly openings: number;
}

/** A call that was let through to see how it ends. */
export interface Probe {
  readonly id: string;
  /** How long it may take before it counts as failed, in milliseconds. */
  readonly leaseMs: number;
  /** When this process first saw it, on its own clock. */
  readonly sinceMs: number;
}

/** Calls are rejected until somebody resets the breaker. */
export interface IsolatedState extends Common {
  readonly kind: "isolated";
  readonly reason: string;
}

/** Where a breaker stands. */
export type BreakerState = ClosedState | OpenState | HalfOpenState | IsolatedState;

/** The name of a state. */
export type BreakerStateName = "closed" | "open" | "half_open" | "isolated";

/** What can happen to a breaker. Everything that chance decides comes with the event. */
export type BreakerEvent =
  /** A process has seen too many failures in this generation. */
  | { readonly type: "trip"; readonly generation: number; readonly openForMs: number; readonly by: string }
  /** A call asks to be a probe. */
  | {
    readonly type: "probe";
    readonly id: string;
    readonly leaseMs: number;
    readonly rules: ProbeRules;
    readonly by: string;
  }
  | ProbeEnd
  /** Somebody has noticed that the lease of a probe may be over. */
  | { readonly type: "expire"; readonly openForMs: number; readonly by: string }
  | { readonly type: "isolate"; readonly reason: string; readonly by: string }
  | { readonly type: "reset"; readonly by: string };

/** A probe has succeeded, has failed, or has ended without telling anything. */
export type ProbeEnd =
  | {
    readonly type: "probe_succeeded";
    readonly generation: number;
    readonly id: string;
    readonly rules: ProbeRules;
    readonly by: string;
  }
  | {
    readonly type: "probe_failed";
    readonly generation: number;
    readonly id: string;
    readonly openForMs: number;
    readonly by: string;
  }
  | { readonly type: "probe_dropped"; readonly generation: number; readonly id: string };

/** How many probes there may be. */
export interface ProbeRules {
  /** How many may be under way at once, in the whole fleet. */
  readonly halfOpenMaxCalls: number;
  /** How many must succeed before the breaker closes. */
  readonly successThreshold: number;
}

/** The state of a breaker of which nothing is known. */
export const INITIAL_STATE: ClosedState = { kind: "closed", generation: 0, revision: 0, by: "" };

/**
 * What becomes of a state by an event. The same object when nothing does: the event is of an older generation, or does
 * not apply.
 */
export function transition(state: BreakerState, event: BreakerEvent, nowMs: number): BreakerState {
  switch (event.type) {
    case "trip":
      return state.kind === "closed" && state.generation === event.generation ? opened(state, 1, event, nowMs) : state;
    case "probe":
      return !isProbe(state, event.id) && mayProbe(state, event.rules, nowMs) ? probing(state, event, nowMs) : state;
    case "probe_succeeded":
    case "probe_failed":
    case "probe_dropped":
      return holdsProbe(state, event) ? probeEnded(state, event, nowMs) : state;
    case "expire":
      return state.kind === "half_open" && leaseEndsInMs(state, nowMs) <= 0
        ? opened(state, state.openings + 1, event, nowMs)
        : state;
    case "isolate":
      return state.kind === "isolated" && state.reason === event.reason
        ? state
        : { kind: "isolated", ...next(state, event.by), reason: event.reason };
    case "reset":
      return state.kind === "closed" ? state : { kind: "closed", ...next(state, event.by) };
  }
}

/** How long an open state lasts still, in milliseconds; not above 0 when it is over. */
export function openEndsInMs(state: OpenState, nowMs: number): number {
  return state.sinceMs + state.openForMs - nowMs;
}

/** How long until the first lease of a probe ends, in milliseconds; not above 0 when one has. */
export function leaseEndsInMs({ probes }: HalfOpenState, nowMs: number): number {
  let endsInMs = Infinity;
  for (const { sinceMs, leaseMs } of probes) endsInMs = Math.min(endsInMs, sinceMs + leaseMs - nowMs);
  return endsInMs;
}

/** Whether a call may be a probe now. */
export function mayProbe(state: BreakerState, rules: ProbeRules, nowMs: number): boolean {
  if (state.kind === "open") return openEndsInMs(state, nowMs) <= 0;
  if (state.kind !== "half_open" || leaseEndsInMs(state, nowMs) <= 0) return false;
  // No more than are needed: what has succeeded counts too, unless more successes than places are asked for.
  return state.probes.length < rules.halfOpenMaxCalls &&
    state.probes.length + state.successes < Math.max(rules.halfOpenMaxCalls, rules.successThreshold);
}

/** How many times a breaker has opened since it was last closed. */
export function openingsOf(state: BreakerState): number {
  return state.kind === "open" || state.kind === "half_open" ? state.openings : 0;
}

function next({ generation }: BreakerState, by: string): Common {
  return { generation: generation + 1, revision: 0, by };
}

function opened(
  state: BreakerState,
  openings: number,
  { openForMs, by }: { readonly openForMs: number; readonly by: string },
  nowMs: number,
): OpenState {
  return { kind: "open", ...next(state, by), openForMs, sinceMs: nowMs, openings };
}

function probing(
  state: BreakerState,
  { id, leaseMs, by }: Extract<BreakerEvent, { type: "probe" }>,
  nowMs: number,
): BreakerState {
  const probe = { id, leaseMs, sinceMs: nowMs };
  if (state.kind === "half_open") {
    return { ...state, revision: state.revision + 1, probes: [...state.probes, probe] };
  }
  return { kind: "half_open", ...next(state, by), probes: [probe], successes: 0, openings: openingsOf(state) };
}

function holdsProbe(state: BreakerState, { generation, id }: ProbeEnd): state is HalfOpenState {
  return state.generation === generation && isProbe(state, id);
}

function isProbe(state: BreakerState, id: string): state is HalfOpenState {
  return state.kind === "half_open" && state.probes.some((probe) => probe.id === id);
}

function probeEnded(state: HalfOpenState, event: ProbeEnd, nowMs: number): BreakerState {
  if (event.type === "probe_failed") return opened(state, state.openings + 1, event, nowMs);
  const probes = state.probes.filter(({ id }) => id !== event.id);
  if (event.type === "probe_dropped") return { ...state, revision: state.revision + 1, probes };
  const successes = state.successes + 1;
  return successes >= event.rules.successThreshold
    ? { kind: "closed", ...next(state, event.by) }
    : { ...state, revision: state.revision + 1, probes, successes };
}
