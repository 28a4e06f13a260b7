/** What a composite is made of ends like any other backend. @module */

import { assertRejects } from "@std/assert";
import { CachedBackend } from "../../backends/composite/cache.ts";
import { FallbackBackend } from "../../backends/composite/fallback.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import { systemClock } from "../../src/clock.ts";
import { BackendClosedError } from "../../src/errors.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";

const made: Readonly<Record<string, (child: StorageBackend) => StorageBackend>> = {
  FallbackBackend: (child) => new FallbackBackend(child, { fallback: new MemoryBackend() }, systemClock, () => {}),
  CachedBackend: (child) => new CachedBackend(child, [], {}, systemClock),
};

for (const [name, make] of Object.entries(made)) {
  Deno.test(`${name} is closed at the end of its block, with its child`, async () => {
    const child = new MemoryBackend();
    {
      await using backend = make(child);
      await backend.ping();
    }
    await assertRejects(() => child.get([["key"]]), BackendClosedError);
  });
}
