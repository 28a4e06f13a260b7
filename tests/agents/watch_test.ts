/** Tests of watching the registry where timing decides. @module */

import { assertEquals } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { AgentRegistry } from "../../src/agents/registry.ts";
import type { Entry } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { WatchedBackend } from "../../src/testing/watched_backend.ts";

/** Does something between a caller's read of a key and its answer. */
class Interrupted extends WatchedBackend {
  /** Called once, before the next read of the log's head is answered. */
  beforeHead: (() => Promise<unknown>) | null = null;

  override async get(keys: readonly Key[]): Promise<(Entry | null)[]> {
    const interrupt = keys.some((key) => key.at(-1) === "log") ? this.beforeHead : null;
    if (interrupt) {
      this.beforeHead = null;
      await interrupt();
    }
    return await super.get(keys);
  }
}

Deno.test("watch() tells the event itself when it is written while the log is read", async () => {
  await using backend = new MemoryBackend();
  await using other = new AgentRegistry(backend);
  const store = new Interrupted(backend);
  await using registry = new AgentRegistry(store);
  await other.register({ id: { type: "writer" } });
  const events = registry.watch();
  for (let looks = 0; looks < 3; looks++) await registry.snapshot(); // the watch has begun by now
  store.beforeHead = () => other.deregister({ type: "writer" });
  for await (const event of events) {
    assertEquals([event.type, "inferred" in event], ["leave", false]);
    break;
  }
});
