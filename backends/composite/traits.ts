/** What several backends are able to do together: no more than the weakest of them. @module */

import type { BackendTraits, StorageBackend } from "../../src/storage/backend.ts";

/** The traits of backends that are used as one. */
export function combineTraits(backends: readonly StorageBackend[]): BackendTraits {
  const all = backends.map(({ traits }) => traits);
  return {
    durable: all.every((traits) => traits.durable),
    shared: all.every((traits) => traits.shared),
    pushes: all.every((traits) => traits.pushes),
    wakeWithinMs: Math.max(...all.map((traits) => traits.wakeWithinMs)),
    clock: all.some((traits) => traits.clock === "engine") ? "engine" : "injected",
    timePrecisionMs: Math.max(...all.map((traits) => traits.timePrecisionMs)),
    maxValueBytes: Math.min(...all.map((traits) => traits.maxValueBytes)),
    maxBatchSize: Math.min(...all.map((traits) => traits.maxBatchSize)),
  };
}
