/** Tests of the registry over long times and with many states. @module */

import { assertEquals } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import type { AgentRegistryOptions } from "../../src/agents/registry_options.ts";
import { AgentRegistry } from "../../src/agents/registry.ts";
import { ValueTooLargeError } from "../../src/errors.ts";
import type { BackendTraits, Batch, CommitResult } from "../../src/storage/backend.ts";
import type { JsonValue } from "../../src/storage/json.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { WatchedBackend } from "../../src/testing/watched_backend.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const ID = { type: "writer", instance: "ada" };

/** A registry on a backend that shares its clock. */
function setUp(options: AgentRegistryOptions = {}): {
  readonly clock: ManualClock;
  readonly backend: MemoryBackend;
  readonly registry: AgentRegistry;
} {
  const clock = new ManualClock();
  const backend = new MemoryBackend({ clock });
  return { clock, backend, registry: new AgentRegistry(backend, { clock, ...options }) };
}

/** The state that is handed back to the next registration. */
async function restoredBy(registry: AgentRegistry, id = ID): Promise<JsonValue | undefined> {
  let state: JsonValue | undefined;
  await registry.register({ id, importState: (saved) => void (state = saved) });
  return state;
}

Deno.test("startHeartbeats() keeps an agent and a state that never changes far beyond the life of their records", async () => {
  const { clock, registry } = setUp({ heartbeatTtlMs: 3 * HOUR_MS, stateRetentionMs: 3 * DAY_MS });
  await registry.startHeartbeats();
  await registry.register({ id: ID, exportState: () => "unchanged" });
  await clock.advance(30 * DAY_MS);
  assertEquals((await registry.get(ID))?.liveness, "alive");
  assertEquals(await restoredBy(registry), "unchanged");
  await registry.close();
});

Deno.test("register() hands on the present state of the agent that it replaces in its process, and no zombie's", async () => {
  const { backend, clock, registry } = setUp();
  await registry.register({ id: ID, exportState: () => "of the first" });
  assertEquals(await restoredBy(registry), "of the first");
  await registry.register({ id: ID, exportState: () => "of the zombie" });
  const other = new AgentRegistry(backend, { clock });
  await other.register({ id: ID, exportState: () => "of the other" });
  await other.heartbeat(ID);
  assertEquals(await restoredBy(registry), "of the other");
  for (const each of [registry, other]) await each.close();
});

Deno.test("everything that a fleet has stored is gone in time when all of it was killed and nobody is left to notice", async () => {
  const { clock, backend, registry } = setUp();
  await registry.startHeartbeats();
  for (const instance of ["ada", "bob"]) {
    await registry.register({ id: { type: "writer", instance }, exportState: () => "state" });
  }
  await registry.heartbeat(ID);
  const silenced = clock.timers;
  assertEquals(silenced > 0, true);
  await registry.stopHeartbeats();
  await clock.advance(8 * DAY_MS);
  const left: string[] = [];
  for await (const { key } of backend.list([])) left.push(key.join("/"));
  assertEquals(left, ["ao/agent/log"], "the number of the last event alone is kept");
  await registry.close();
});

Deno.test("a heartbeat saves more states than fit one batch", async () => {
  const { registry } = setUp();
  await registry.startHeartbeats();
  const text = "x".repeat(10_000);
  for (let index = 0; index < 150; index++) {
    await registry.register({ id: { type: "writer", instance: `${index}` }, exportState: () => ({ index, text }) });
  }
  await registry.heartbeat({ type: "writer", instance: "0" });
  for (const index of [0, 77, 149]) {
    assertEquals(await restoredBy(registry, { type: "writer", instance: `${index}` }), { index, text });
  }
  await registry.close();
});

Deno.test("a state that is larger than the engine takes is told, and the one before it is kept", async () => {
  class Small extends WatchedBackend {
    override get traits(): BackendTraits {
      return { ...super.traits, maxValueBytes: 1000 };
    }
  }
  const clock = new ManualClock();
  const backend = new Small(new MemoryBackend({ clock }));
  const registry = new AgentRegistry(backend, { clock });
  const told: unknown[] = [];
  registry.on("state_failed", ({ agentId, error }) => told.push(agentId, error instanceof ValueTooLargeError));
  let state = "small";
  await registry.register({ id: ID, exportState: () => state });
  await registry.heartbeat(ID);
  state = "large".repeat(1000);
  await registry.heartbeat(ID);
  assertEquals(told, [ID, true]);
  assertEquals((await registry.get(ID))?.liveness, "alive");
  assertEquals(await restoredBy(registry), "small");
  await registry.close();
});

Deno.test("a state that the engine refuses for reasons of its own keeps no heartbeat from it", async () => {
  class Picky extends WatchedBackend {
    override commit(batch: Batch): Promise<CommitResult> {
      return JSON.stringify(batch.operations).includes("poison")
        ? Promise.reject(new RangeError("Cannot store the value: it is not to my taste"))
        : super.commit(batch);
    }
  }
  const clock = new ManualClock();
  const registry = new AgentRegistry(new Picky(new MemoryBackend({ clock })), { clock });
  const told: unknown[] = [];
  registry.on("state_failed", ({ agentId }) => told.push(agentId));
  let state = "fine";
  await registry.register({ id: ID, exportState: () => state });
  await registry.heartbeat(ID);
  state = "poison";
  await clock.advance(20_000);
  await registry.heartbeat(ID);
  await clock.advance(20_000);
  assertEquals(told, [ID]);
  assertEquals((await registry.get(ID))?.liveness, "alive");
  state = "fine again";
  await registry.heartbeat(ID);
  assertEquals(await restoredBy(registry), "fine again");
  await registry.close();
});

Deno.test("a takeover is noticed though it comes while the holder's registration is still being made", async () => {
  const { clock, backend, registry } = setUp();
  const other = new AgentRegistry(backend, { clock });
  const lost: unknown[] = [];
  registry.on("lost", ({ agentId }) => lost.push(agentId));
  await registry.startHeartbeats();
  await registry.register({ id: { type: "writer", instance: "bob" } });
  let taken: Promise<unknown> | null = null;
  // The state of a former life, so that importState is called; in it, another process takes the name.
  await registry.register({ id: ID, exportState: () => "state" });
  await registry.deregister(ID);
  await registry.register({
    id: ID,
    importState: async () => {
      taken = other.register({ id: ID });
      await taken;
      await registry.heartbeat({ type: "writer", instance: "bob" }); // is refused, and uses the refusal up
    },
  });
  await clock.advance(20_000);
  assertEquals(lost, [ID]);
  assertEquals((await registry.snapshot()).local.length, 1);
  await other.close();
  await registry.close();
});

Deno.test("clocks that differ by an hour change nothing where the engine has its own", async () => {
  const engine = new ManualClock();
  const backend = new MemoryBackend({ clock: engine });
  const clocks = [-HOUR_MS, HOUR_MS].map((offMs) => new ManualClock(engine.now() + offMs));
  const [slow, fast] = clocks.map((clock) => new AgentRegistry(backend, { clock }));
  if (!slow || !fast) throw new Error("there are two");
  const pass = async (ms: number) => {
    for (let leftMs = ms; leftMs > 0; leftMs -= 1000) {
      await engine.advance(1000);
      for (const clock of clocks) await clock.advance(1000);
    }
  };
  await slow.startHeartbeats();
  await fast.startHeartbeats();
  await slow.register({ id: ID });
  const { incarnation } = await fast.register({ id: { type: "writer", instance: "bob" } });
  await pass(300_000);
  assertEquals((await fast.discover("writer")).map(({ liveness }) => liveness), ["alive", "alive"]);
  await fast.deregister({ type: "writer", instance: "bob" });
  const successor = await slow.register({ id: { type: "writer", instance: "bob" } });
  assertEquals(successor.incarnation, incarnation + 1, "an incarnation is larger, whatever the clock says");
  await slow.stopHeartbeats();
  await pass(46_000);
  assertEquals(await fast.discover("writer"), []);
  await fast.close();
  await slow.close();
});

Deno.test("AgentRegistry.register() keeps the metadata that it was given, whatever the caller does to it later", async () => {
  await using backend = new MemoryBackend();
  await using registry = new AgentRegistry(backend);
  const metadata = { model: "small", tools: ["search"] };
  const registered = registry.register({ id: { type: "writer" }, metadata });
  metadata.model = "large";
  metadata.tools.push("write");
  await registered;
  const { local, shared } = await registry.snapshot();
  const given = { model: "small", tools: ["search"] };
  assertEquals([...local, ...shared].map((info) => info.metadata), [given, given]);
});
