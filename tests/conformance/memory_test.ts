/** The memory backend passes the conformance suite. @module */

import { MemoryBackend } from "../../backends/memory.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { conformance } from "./run.ts";

const clock = new ManualClock();
conformance({
  name: "memory",
  clock,
  factory: () => ({ backend: new MemoryBackend({ clock }) }),
  // It lives in one process and dies with it.
  lacks: ["durable", "shared", "namespaces", "outages"],
});
