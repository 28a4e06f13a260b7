/** A registry among records of another version, and the small parts of it. @module */

import { assert, assertEquals, assertFalse } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { AgentKeys } from "../../src/agents/agent_keys.ts";
import { LocalAgent } from "../../src/agents/local_agent.ts";
import { LocalAgents } from "../../src/agents/local_agents.ts";
import { AgentRegistry } from "../../src/agents/registry.ts";
import { registryConfig } from "../../src/agents/registry_options.ts";
import { Session } from "../../src/agents/session.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";

const ADA = { type: "writer", instance: "ada" };

Deno.test("AgentRegistry passes over agents and sessions of another format, and removes those that died beside them", async () => {
  const clock = new ManualClock();
  await using backend = new MemoryBackend({ clock });
  const registry = new AgentRegistry(backend, { clock, heartbeatTtlMs: 3000 });
  const gone = new AgentRegistry(backend, { clock, heartbeatTtlMs: 3000 });
  const keys = new AgentKeys(["ao"]);
  await gone.register({ id: ADA });
  await gone.heartbeat(ADA);
  const newer = { v: 99 };
  await backend.commit({
    operations: [
      { type: "set", key: keys.member({ type: "writer", instance: "newer" }), value: newer },
      { type: "set", key: keys.session("newer"), value: newer },
      { type: "set", key: keys.alive("newer"), value: 1, expiresInMs: 4000 },
      { type: "set", key: keys.known("newer"), value: 1, expiresInMs: 5000 },
    ],
  });
  await registry.startHeartbeats();
  await registry.register({ id: { type: "reader" } });
  await clock.advance(20_000);
  assertEquals(await registry.get(ADA), null);
  const left = (await Array.fromAsync(registry.listRegistered())).map(({ agentId }) => agentId.type);
  assertEquals(left, ["reader"]);
  assertEquals((await backend.get([keys.member({ type: "writer", instance: "newer" })]))[0]?.value, newer);
  await registry.close();
});

Deno.test("AgentRegistry keeps a status through the refreshing of its records, and tells of it in a snapshot", async () => {
  const clock = new ManualClock();
  await using backend = new MemoryBackend({ clock });
  const registry = new AgentRegistry(backend, { clock });
  await registry.startHeartbeats();
  await registry.register({ id: ADA });
  await registry.setStatus(ADA, "busy");
  await clock.advance(3 * 24 * 3_600_000);
  assertEquals((await registry.get(ADA))?.status, "busy");
  const { local, shared } = await registry.snapshot();
  assertEquals([local[0]?.status, shared[0]?.status], ["busy", "busy"]);
  await registry.close();
});

Deno.test("LocalAgents takes away and loses only the registration that it has", () => {
  const agents = new LocalAgents();
  const keys = new AgentKeys(["ao"]);
  const session = new Session(keys, registryConfig({}), false);
  const [first, second] = [new LocalAgent({ id: ADA }, session, 0), new LocalAgent({ id: ADA }, session, 0)];
  agents.add(first);
  agents.add(second);
  assertEquals([agents.has(first), agents.has(second), agents.all().length], [false, true, 1]);
  assertFalse(agents.remove(first));
  assertFalse(agents.lose(first));
  assertEquals(agents.lostIncarnation(ADA), undefined);
  assert(agents.lose(second));
  assertEquals(agents.lostIncarnation(ADA), 0);
});
