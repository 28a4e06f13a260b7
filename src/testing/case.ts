/** What a conformance case is, what it is given, and what a backend's author hands in. @module */

import type { StorageBackend } from "../storage/backend.ts";

/** A lease, delay or expiry that never ends during a case. */
export const LONG_MS = 3_600_000;

/** What a case cannot do without. */
export type Need = "durable" | "shared" | "namespaces" | "injected clock" | "outages";

/** One promise, and how to see whether a backend keeps it. */
export interface ConformanceCase {
  /** The promise. */
  readonly name: string;
  /** What the backend or its fixture must offer; else the case is left out, and that is reported. */
  readonly needs?: readonly Need[];
  /** Throws when the promise is broken. */
  readonly run: (context: CaseContext) => Promise<void>;
}

/** What a case works with. */
export interface CaseContext {
  /** Fresh, empty and open. */
  readonly backend: StorageBackend;
  /** How long at most a call takes when the engine cannot be reached, in real milliseconds. */
  readonly callLimitMs: number;
  /** A lease, delay or expiry to wait for: short where waiting is real. */
  readonly shortMs: number;
  /** Lets time pass: what was to last `ms` has ended then. */
  elapse(ms: number): Promise<void>;
  /** Waits until `condition` holds, and fails with `what` when it does not within a bound. */
  until(what: string, condition: () => boolean | Promise<boolean>): Promise<void>;
  /** Closes the backend and opens the same store again. */
  reopen(): Promise<StorageBackend>;
  /** Opens a second handle on the same store, as another process would. */
  peer(): Promise<StorageBackend>;
  /** Opens another namespace of the same store. */
  neighbour(): Promise<StorageBackend>;
  /** Makes the engine unreachable, and returns the function that brings it back. */
  outage(): Promise<() => Promise<void>>;
}

/** A backend to be examined, with what its kind is able to do. The suite closes every backend that it gets. */
export interface ConformanceFixture {
  /** Fresh, empty and open. */
  readonly backend: StorageBackend;
  /** Opens the same store again, after the backend was closed. Required where the backend is durable. */
  reopen?(): Promise<StorageBackend>;
  /** Opens a second handle on the same store. Required where the backend is shared. */
  peer?(): Promise<StorageBackend>;
  /** Opens another namespace of the same store. */
  neighbour?(): Promise<StorageBackend>;
  /** Makes the engine unreachable, and returns the function that brings it back. */
  outage?(): Promise<() => Promise<void>>;
  /** Takes away what the factory made. Called last, however the case ended. */
  dispose?(): Promise<void>;
}
