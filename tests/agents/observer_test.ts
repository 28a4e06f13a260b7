/** Tests of when an observer may declare a death: only after it has seen the store for a whole TTL. @module */

import { assertEquals } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { AgentRegistry } from "../../src/agents/registry.ts";
import type { Entry, ListOptions } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { WatchedBackend } from "../../src/testing/watched_backend.ts";

const ADA = { id: { type: "writer", instance: "ada" } };

/** A way to the store at which every listing waits while the gate is shut, as while an engine stands still. */
class HeldStore extends WatchedBackend {
  #gate: Promise<void> = Promise.resolve();
  #open = () => {};

  shut(): void {
    this.#gate = new Promise((resolve) => this.#open = resolve);
  }

  open(): void {
    this.#open();
  }

  override async *list(prefix: Key, options?: ListOptions): AsyncGenerator<Entry> {
    await this.#gate;
    yield* super.list(prefix, options);
  }
}

function kindOf({ value }: Entry): string {
  return String(Reflect.get(Object(Reflect.get(Object(value), "event")), "type"));
}

Deno.test("a look that waited for the store as long as a TTL kills nobody, though it saw no heartbeat", async () => {
  const clock = new ManualClock();
  await using backend = new MemoryBackend({ clock });
  const [looks, beats] = [new HeldStore(backend), new WatchedBackend(backend)];
  await using observing = new AgentRegistry(looks, { clock });
  await using living = new AgentRegistry(beats, { clock });
  await observing.startHeartbeats();
  await living.startHeartbeats();
  await living.register(ADA);
  await clock.advance(60_000);
  looks.shut();
  beats.fault = "unreachable";
  await clock.advance(60_000); // longer than TTL and suspicion
  looks.open();
  await clock.advance(500); // the observer's look ends a little before the next heartbeat is tried
  beats.fault = "none";
  await clock.advance(60_000);
  const told: string[] = [];
  for await (const entry of backend.list(["ao", "agent", "event"])) told.push(kindOf(entry));
  assertEquals([told, (await observing.get(ADA.id))?.liveness], [["join"], "alive"]);
});

for (const hours of [1, -1]) {
  Deno.test(`a process whose clock is set by ${hours} h goes on with its heartbeats, and kills nobody`, async () => {
    const [engine, clock] = [new ManualClock(), new ManualClock()];
    await using backend = new MemoryBackend({ clock: engine });
    await using registry = new AgentRegistry(backend, { clock });
    await registry.startHeartbeats();
    await registry.register(ADA);
    const pass = async (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        await engine.advance(1000);
        await clock.advance(1000);
      }
    };
    await pass(35);
    clock.jump(hours * 3_600_000);
    await pass(100);
    assertEquals((await registry.get(ADA.id))?.liveness, "alive");
  });
}
