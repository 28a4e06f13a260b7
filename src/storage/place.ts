/** Where a message stands, as a number: by it, engines with columns put the messages of a queue in order. @module */

import type { MessageState } from "./backend.ts";

/** The places of messages that are not in line; in line it is 9 minus the priority, so that the highest is first. */
export const PLACE = { delayed: 10, leased: 11, dead: 12 } as const;

/** The state of a message at a place. */
export function stateAt(place: number): MessageState {
  if (place < PLACE.delayed) return "ready";
  if (place === PLACE.delayed) return "delayed";
  return place === PLACE.leased ? "leased" : "dead";
}

/** The first and the last place of a state. */
export function placesOf(state: MessageState): { readonly first: number; readonly last: number } {
  return state === "ready" ? { first: 0, last: 9 } : { first: PLACE[state], last: PLACE[state] };
}
