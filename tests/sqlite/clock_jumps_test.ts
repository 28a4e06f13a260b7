/** A host's clock that is set back while a call waits for a lock does not make it wait for longer. @module */

import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { systemClock } from "../../src/clock.ts";
import { codeOf, message, withBackend } from "./files.ts";

Deno.test("a call that meets a lock fails in its time though the clock is set back by an hour", async () => {
  await withBackend(async (backend, path) => {
    await backend.commit({ operations: [message("before")] });
    const other = new DatabaseSync(path);
    other.exec("BEGIN IMMEDIATE");
    const { now } = systemClock;
    const startedAtMs = performance.now();
    try {
      const failing = codeOf(backend.commit({ operations: [message("a")] }));
      systemClock.now = () => now() - 3_600_000;
      assertEquals(await failing, "BACKEND_UNAVAILABLE");
    } finally {
      systemClock.now = now;
      other.exec("ROLLBACK");
      other.close();
    }
    const tookMs = performance.now() - startedAtMs;
    assert(tookMs < 10_000, `it took ${tookMs} ms`);
  }, { busyTimeoutMs: 100 });
});
