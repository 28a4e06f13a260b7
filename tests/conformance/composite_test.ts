/** The composite backend passes the conformance suite: over a child, with a fallback, and with a cache in front. @module */

import { CompositeBackend } from "../../backends/composite.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { conformance } from "./run.ts";

const clock = new ManualClock();
const memory = () => new MemoryBackend({ clock });
// Its children live in one process and die with it.
const lacks = ["durable", "shared", "namespaces", "outages"] as const;

conformance({
  name: "composite",
  clock,
  factory: () => {
    const child = memory();
    // The suite lists everything, so that all routes lead to one child; tests/composite/ has several.
    return {
      backend: new CompositeBackend({ default: child, routes: [{ prefix: ["queue"], backend: child }], clock }),
    };
  },
  lacks,
});

conformance({
  name: "composite with fallback",
  clock,
  factory: () => ({
    backend: new CompositeBackend({
      default: { backend: memory(), fallback: { fallback: memory(), queues: true } },
      clock,
    }),
  }),
  lacks,
});

conformance({
  name: "composite with cache",
  clock,
  factory: () => ({ backend: new CompositeBackend({ default: { backend: memory(), cache: {} }, clock }) }),
  lacks,
});
