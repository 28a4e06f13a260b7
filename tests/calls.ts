/** The calls by which tests ask a backend for what it cannot give. @module */

import type { StorageBackend } from "../src/storage/backend.ts";

/** The record that the calls are about. */
export const KEY = ["key"];

/** The queue that the calls are about. */
export const QUEUE = ["queue"];

/** One call of each kind that reaches the server. */
export function calls(backend: StorageBackend): (() => Promise<unknown>)[] {
  return [
    () => backend.get([KEY]),
    () => backend.commit({ operations: [{ type: "set", key: KEY, value: 1 }] }),
    () => backend.claim(QUEUE, { leaseMs: 1000 }),
    () => backend.stats(QUEUE),
    () => Array.fromAsync(backend.list([])),
  ];
}
