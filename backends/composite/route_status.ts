/** What a composite tells of its parts. @module */

import type { Key } from "../../src/storage/key.ts";
import type { Serving } from "./switch.ts";

/** Who serves one part of the keys at the moment. */
export interface RouteStatus {
  /** The part; empty for the default. */
  readonly prefix: Key;
  /** The name of the backend that is to serve it. */
  readonly backend: string;
  /** Who serves it. */
  readonly serving: Serving;
  /** The name of the backend that serves while that is away; `null` where there is none. */
  readonly fallback: string | null;
  /** Since when that backend serves, or does not, in milliseconds since the Unix epoch. */
  readonly sinceMs: number;
  /** Why. */
  readonly reason: string;
  /** How many writes wait to be brought to the backend. */
  readonly journalled: number;
}
