/** The composite backend passes the conformance suite: over each child, with a fallback, with a cache in front. @module */

import { CompositeBackend } from "../../backends/composite.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { behind, denoKvFixture, sqliteFixture } from "./fixtures.ts";
import { conformance } from "./run.ts";

const clock = new ManualClock();
const memory = () => new MemoryBackend({ clock });

// The suite lists everything, so that all routes lead to one child; tests/composite/ has several.
const routed = (child: StorageBackend) =>
  new CompositeBackend({ default: child, routes: [{ prefix: ["queue"], backend: child }], clock });
const withFallback = (child: StorageBackend) =>
  new CompositeBackend({ default: { backend: child, fallback: { fallback: memory(), queues: true } }, clock });
const cached = (child: StorageBackend) => new CompositeBackend({ default: { backend: child, cache: {} }, clock });

// Memory lives in one process and dies with it, also as a fallback.
const lacksOfMemory = ["durable", "shared", "namespaces", "outages"] as const;
// A file is always there.
const lacksOfFiles = ["outages"] as const;
const lacksOfFallback = ["durable", "shared", "outages"] as const;

for (
  const [name, wrap] of [["composite", routed], ["composite with fallback", withFallback], ["cache", cached]] as const
) {
  conformance({
    name: `${name} over memory`,
    clock,
    factory: () => ({ backend: wrap(memory()) }),
    lacks: lacksOfMemory,
  });
}
for (const [name, factory] of [["sqlite", sqliteFixture], ["deno-kv", denoKvFixture]] as const) {
  const over = (wrap: (child: StorageBackend) => StorageBackend) => async () => behind(await factory(clock), wrap);
  conformance({ name: `composite over ${name}`, clock, factory: over(routed), lacks: lacksOfFiles });
  conformance({
    name: `composite with fallback over ${name}`,
    clock,
    factory: over(withFallback),
    lacks: lacksOfFallback,
  });
}
