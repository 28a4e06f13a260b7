/** Who is alive, suspect or dead, and when deaths are held back: pure functions of what was read. @module */

import type { Liveness } from "./model.ts";

/**
 * Which marks of a session the store still has. A heartbeat writes both: the one expires after the TTL, the other after
 * the suspicion time too. So the engine's own time decides, and no two clocks are ever compared.
 */
export interface SessionMarks {
  readonly alive: boolean;
  readonly known: boolean;
}

/** Whether the agents of a session are heard of. */
export function livenessOf({ alive, known }: SessionMarks): Liveness {
  if (alive) return "alive";
  return known ? "suspect" : "dead";
}

/** How many agents of one type there are, and how many of them are silent. */
export interface Census {
  readonly total: number;
  /** Suspect or dead. Suspects count, for what befell them all reaches each of them at another moment. */
  readonly silent: number;
  /** In how many sessions the silent ones are. */
  readonly silentSessions: number;
  /** Whether any session of the fleet, of whatever type, is alive. */
  readonly othersAlive: boolean;
}

/** When deaths are held back. */
export interface HoldRule {
  /** When a larger share than this is silent. */
  readonly share: number;
  /** But not when fewer agents than this are. */
  readonly minimum: number;
}

/** How far a hold has come: `none` was begun, it is `running`, or it is `over` and deaths may be told. */
export type HoldState = "none" | "running" | "over";

/** What to do about the dead of one type: tell their deaths, begin to hold them back, or wait. */
export type Verdict = "expire" | "hold" | "wait";

/** Decides about the dead of one type. */
export function judge(census: Census, hold: HoldState, rule: HoldRule): Verdict {
  if (!isSuspicious(census, rule) || hold === "over") return "expire";
  return hold === "running" ? "wait" : "hold";
}

/**
 * Whether so many are silent that it is more likely the store, or the way to it, that was away. A single process that
 * falls silent while others are heard of has died, however many agents it had.
 */
function isSuspicious({ total, silent, silentSessions, othersAlive }: Census, { share, minimum }: HoldRule): boolean {
  if (silent < minimum || silent <= share * total) return false;
  return silentSessions > 1 || !othersAlive;
}
