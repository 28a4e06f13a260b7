/** Which state to believe when process and store know different things. Pure, so that it can be explored. @module */

import { type BreakerState, INITIAL_STATE } from "./breaker_state.ts";

/** What one process believes, and what it knows of the record. */
export interface Replica {
  /** The state that calls go by: the stored one, or one that has not come to the store yet. */
  readonly view: BreakerState;
  /** The last stored state that was seen. */
  readonly stored: BreakerState;
  /** The version to write over; `null` where there is no record. */
  readonly version: string | null;
}

/** What a process believes that has not looked yet. */
export const INITIAL_REPLICA: Replica = { view: INITIAL_STATE, stored: INITIAL_STATE, version: null };

/** What to believe after a read; `read` is `null` where there is no record. */
export function afterRead(replica: Replica, read: BreakerState | null, version: string | null): Replica {
  if (read === null) return { ...replica, version };
  const stored = isOvertaken(read, replica.stored) ? replica.stored : read;
  return { view: reconcile(replica, read), stored, version };
}

/** What to believe after a write that the store has accepted. */
export function afterWrite(replica: Replica, written: BreakerState, version: string): Replica {
  const view = reconcile(replica, written);
  // The reply may come after a read that has seen the record in a later version.
  return isOvertaken(written, replica.stored) ? { ...replica, view } : { view, stored: written, version };
}

/** Whether this process is ahead of the record: by a transition of its own, or because the record has gone. */
export function isAhead({ view }: Replica, read: BreakerState | null): boolean {
  return view.generation > (read?.generation ?? INITIAL_STATE.generation);
}

/**
 * The state that comes from the store, with two exceptions. A process that has gone on by itself stays ahead as long as
 * nobody else has made a transition since it last knew; else the store's word counts, and what it did alone is void.
 * And what comes late is passed over.
 */
function reconcile({ view, stored }: Replica, news: BreakerState): BreakerState {
  if (isOvertaken(news, stored)) return view;
  if (isSameTransition(news, stored) && view.generation > stored.generation) return view;
  return isSameTransition(news, view) ? withTimesOf(view, news) : news;
}

/** The news, with what was seen before counted from the moment at which it was first seen. */
function withTimesOf(view: BreakerState, news: BreakerState): BreakerState {
  if (news.revision === view.revision) return view; // the same object tells calls that nothing has changed
  if (news.kind !== "half_open" || view.kind !== "half_open") return news;
  const seen = new Map(view.probes.map((probe) => [probe.id, probe.sinceMs]));
  const probes = news.probes.map((probe) => ({ ...probe, sinceMs: seen.get(probe.id) ?? probe.sinceMs }));
  return { ...news, probes };
}

/** Whether a state is older than what is known to be stored: a read that a write has overtaken. */
function isOvertaken(state: BreakerState, stored: BreakerState): boolean {
  return state.generation < stored.generation || (isSameTransition(state, stored) && state.revision < stored.revision);
}

/** Whether two states come from one transition: two processes may each have made one of the same number. */
export function isSameTransition(state: BreakerState, other: BreakerState): boolean {
  return state.generation === other.generation && state.by === other.by;
}
