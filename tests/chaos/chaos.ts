/** What the workers, the test and the checker of the chaos run agree on. @module */

/** The mailbox that all workers serve. */
export const CHAOS_AGENT = { type: "chaos" };

/** How long a worker has a message. */
export const LEASE_MS = 1500;

/** How long a slow handler holds its message. */
export const SLOW_MS = 2500;

/** How many times a message may be tried again. */
export const RETRY_ATTEMPTS = 20;

/** One line of a log. */
export type ChaosEvent =
  | { readonly type: "sent"; readonly id: string; readonly atMs: number }
  | { readonly type: "received" | "settling"; readonly id: string; readonly attempt: number; readonly atMs: number }
  | {
    readonly type: "settled";
    readonly id: string;
    readonly attempt: number;
    readonly accepted: boolean;
    readonly atMs: number;
  };
