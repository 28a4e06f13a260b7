/** The memory backend does what the model does. @module */

import { MemoryBackend } from "../../backends/memory.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { backendProperty } from "./backend_property.ts";

const clock = new ManualClock();
backendProperty({ name: "memory", clock, factory: () => ({ backend: new MemoryBackend({ clock }) }) });

// The other way to test: as for an engine that has its own clock, so that this way is known to work.
backendProperty({ name: "memory in real time", factory: () => ({ backend: new MemoryBackend() }), runs: 100 });
