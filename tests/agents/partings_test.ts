/** Agents that leave, and states that are refused, while a heartbeat is under way. @module */

import { assertEquals, assertInstanceOf } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { AgentRegistry } from "../../src/agents/registry.ts";
import { StaleIncarnationError } from "../../src/agents/stale_incarnation.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { Interrupted } from "./interrupted.ts";
import { standIn } from "../storage/stand_in.ts";

const ADA = { id: { type: "writer", instance: "ada" } };
const BOB = { id: { type: "writer", instance: "bob" } };

for (const isTaken of [true, false]) {
  const whose = isTaken ? "while another takes its name" : "just then";
  Deno.test(`an agent that leaves while it is about to come back from the dead stays away, ${whose}`, async () => {
    const clock = new ManualClock();
    const backend = new MemoryBackend({ clock });
    const store = new Interrupted(backend);
    await using first = new AgentRegistry(store, { clock });
    await using second = new AgentRegistry(backend, { clock });
    const lost: unknown[] = [];
    first.on("lost", ({ agentId }) => lost.push(agentId));
    await first.startHeartbeats();
    await second.startHeartbeats();
    await first.register(ADA);
    await first.register(BOB); // whose heartbeats would keep alive what else is in their session
    await clock.advance(30_000);
    store.fault = "unreachable";
    await clock.advance(50_000);
    assertEquals(await second.get(ADA.id), null);
    let left: unknown;
    store.beforeGet = {
      part: "past",
      run: async () => {
        if (isTaken) await second.register(ADA);
        left = await first.deregister(ADA.id).catch((error) => error);
      },
    };
    store.fault = "none";
    await clock.advance(60_000);
    assertInstanceOf(left, StaleIncarnationError);
    assertEquals([lost, (await second.get(ADA.id))?.liveness], [[], isTaken ? "alive" : undefined]);
  });
}

Deno.test("states that the engine refuses, more than fit one batch, keep none of the others from being saved", async () => {
  const clock = new ManualClock();
  const memory = new MemoryBackend({ clock });
  const backend = standIn(memory, {
    commit: (batch) =>
      JSON.stringify(batch.operations).includes("poison")
        ? Promise.reject(new TypeError("Cannot store the value: it is not to my taste"))
        : memory.commit(batch),
  });
  await using registry = new AgentRegistry(backend, { clock });
  const failed: unknown[] = [];
  registry.on("state_failed", ({ agentId }) => failed.push(agentId.instance));
  const names = Array.from({ length: 80 }, (_, index) => `agent-${index}`);
  let poisoned: readonly string[] = [];
  await Promise.all(names.map((instance) =>
    registry.register({
      id: { type: "writer", instance },
      exportState: () => poisoned.includes(instance) ? "poison" : "fine",
    })
  ));
  await registry.startHeartbeats();
  const healthy = names.filter((_, index) => index % 40 === 0);
  poisoned = names.filter((name) => !healthy.includes(name));
  await clock.advance(20_000);
  assertEquals(new Set(failed), new Set(poisoned));
  poisoned = [];
  await clock.advance(20_000);
  const saved = await Array.fromAsync(memory.list([]));
  assertEquals(saved.filter(({ value }) => JSON.stringify(value).includes("fine")).length, names.length);
});

Deno.test("watch() tells that a suspect is back whose heartbeats travel with others' since", async () => {
  const clock = new ManualClock();
  const backend = new MemoryBackend({ clock });
  await using watching = new AgentRegistry(backend, { clock });
  await using living = new AgentRegistry(backend, { clock });
  const told: string[] = [];
  const over = new AbortController();
  await living.register(ADA);
  await living.heartbeat(ADA.id); // in a session of its own
  const watched = (async () => {
    for await (const { type } of watching.watch({ signal: over.signal })) told.push(type);
  })();
  await clock.advance(35_000);
  assertEquals(told, ["suspect"]);
  await living.startHeartbeats(); // in the session of all agents of this process
  await clock.advance(5_000);
  assertEquals(told, ["suspect", "back"]);
  over.abort();
  await watched.catch(() => {});
});

for (const [what, leaves] of [["registered anew", false], ["gone", true]] as const) {
  Deno.test(`watch() calls nobody suspect who turns out to be ${what} at a second look`, async () => {
    const clock = new ManualClock();
    const backend = new MemoryBackend({ clock });
    const store = new Interrupted(backend);
    await using watching = new AgentRegistry(store, { clock });
    await using living = new AgentRegistry(backend, { clock });
    await living.register(ADA);
    await living.heartbeat(ADA.id);
    const told: string[] = [];
    const over = new AbortController();
    const watched = (async () => {
      for await (const { type } of watching.watch({ signal: over.signal })) told.push(type);
    })();
    await clock.advance(1000);
    store.beforeGet = { part: "ada", run: () => leaves ? living.deregister(ADA.id) : living.register(ADA) };
    await clock.advance(35_000);
    assertEquals([store.beforeGet, told], [null, [leaves ? "leave" : "join"]]);
    over.abort();
    await watched.catch(() => {});
  });
}
