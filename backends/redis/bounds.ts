/** The ranges by text that scripts look through. @module */

import { compareEncoded, encodeKey, type Key, prefixRange } from "../../src/storage/key.ts";

/** A range by text, without its bounds. */
export interface Bounds {
  readonly low: string;
  readonly high: string;
}

/** The bounds of what is below a prefix. */
export function boundsOf(prefix: Key): Bounds {
  const { from, to } = prefixRange(prefix);
  return { low: from === "" ? "-" : `(${from}`, high: `(${to}` };
}

/** The bounds behind a key, in the direction of a listing; a key outside of the prefix does not widen them. */
export function boundsAfter(prefix: Key, after: Key, reverse: boolean): Bounds {
  const { from, to } = prefixRange(prefix);
  const key = encodeKey(after);
  const bounds = boundsOf(prefix);
  if (reverse) return compareEncoded(key, to) < 0 ? { ...bounds, high: `(${key}` } : bounds;
  return compareEncoded(key, from) > 0 ? { ...bounds, low: `(${key}` } : bounds;
}
