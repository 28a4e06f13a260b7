/** The composite backend does what the model does: as a router over SQLite, with a fallback, with a cache. @module */

import { CompositeBackend } from "../../backends/composite.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { behind, sqliteFixture } from "../conformance/fixtures.ts";
import { backendProperty } from "./backend_property.ts";

const clock = new ManualClock();
const memory = () => new MemoryBackend({ clock });
const routed = (child: StorageBackend) =>
  new CompositeBackend({ default: child, routes: [{ prefix: ["queue"], backend: child }], clock });

backendProperty({
  name: "composite over sqlite",
  clock,
  factory: async () => behind(await sqliteFixture(clock), routed),
});
backendProperty({
  name: "composite with fallback",
  clock,
  factory: () => ({
    backend: new CompositeBackend({
      default: { backend: memory(), fallback: { fallback: memory(), queues: true } },
      clock,
    }),
  }),
});
backendProperty({
  name: "composite with cache",
  clock,
  factory: () => ({ backend: new CompositeBackend({ default: { backend: memory(), cache: {} }, clock }) }),
});
