/** Cases: who watches the registry is told what happens to agents, in order and once. @module */

import assert from "node:assert/strict";
import type { AgentEvent } from "../../agents/model.ts";
import { agents, withAgentFleet } from "../agent_fleet.ts";
import type { ConformanceCase } from "../case.ts";

const ADA = { id: { type: "writer", instance: "ada" } };

/** Cases about watches. */
export const registryWatchCases: readonly ConformanceCase[] = [
  {
    name: "registry: watch() tells joins, changes of status and leaves of other processes in their order",
    run: (context) =>
      withAgentFleet(context, async ({ start, watch, until }) => {
        const [first, second] = [await start(), await start()];
        const all = await watch(first);
        const writers = await watch(first, "writer");
        const { incarnation } = await second.registry.register({ ...ADA, metadata: { model: "small" } });
        await second.registry.register({ id: { type: "editor" } });
        await second.registry.setStatus(ADA.id, "busy");
        await second.registry.deregister(ADA.id);
        await until("all is told", () => all.length === 4 && writers.length === 3);
        const about = { agentId: ADA.id, incarnation };
        assert.deepEqual(writers, [
          { type: "join", ...about, metadata: { model: "small" } },
          { type: "status", ...about, status: "busy" },
          { type: "leave", ...about },
        ]);
        assert.deepEqual(all.map(({ type }) => type), ["join", "join", "status", "leave"]);
      }),
  },
  {
    name: "registry: watch() tells what happened since it was called, though nobody has iterated yet",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const { registry } = await start();
        await registry.register({ id: { type: "writer", instance: "before" } });
        const events = registry.watch();
        await registry.register(ADA);
        for await (const event of events) {
          assert.deepEqual([event.type, "agentId" in event && event.agentId], ["join", ADA.id]);
          break;
        }
      }),
  },
  {
    name: "registry: watch() tells who is suspect, back, and dead",
    run: (context) =>
      withAgentFleet(context, async ({ start, kill, watch, until, pass, ttlMs, intervalMs }) => {
        const [first, second] = [await start(), await start()];
        await second.registry.register(ADA);
        await second.registry.heartbeat(ADA.id);
        const events = await watch(first);
        const types = () => events.map(({ type }) => type).join(" ");
        await pass(2 * intervalMs);
        await second.registry.heartbeat(ADA.id);
        await until("it is suspect", () => types() === "suspect");
        await second.registry.heartbeat(ADA.id);
        await until("it is back", () => types() === "suspect back");
        kill(second);
        await until("it is dead", () => types() === "suspect back suspect death");
        await pass(ttlMs);
        assert.equal(types(), "suspect back suspect death");
      }),
  },
  {
    name:
      "registry: watch() tells no suspicion after an outage of the store, before everybody had the chance to be heard",
    run: (context) =>
      withAgentFleet(context, async ({ start, watch, pass, until, ttlMs, suspicionMs }) => {
        const processes = [await start(), await start()];
        for (const [index, { registry }] of processes.entries()) {
          await registry.startHeartbeats();
          for (const agent of agents("worker", 3, `${index}-`)) await registry.register(agent);
        }
        const [first] = processes;
        assert.ok(first);
        const events = await watch(first);
        await pass(ttlMs);
        for (const { store } of processes) store.fault = "unreachable";
        await pass(2 * (ttlMs + suspicionMs));
        for (const { store } of processes) store.fault = "none";
        await pass(2 * ttlMs);
        await first.registry.register(ADA);
        await until("it goes on", () => events.length > 0);
        assert.deepEqual(events.map(({ type }) => type), ["join"]);
      }),
  },
  {
    name: "registry: watch() tells by comparison what it has missed when it comes back too late",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const { registry } = await start({ eventRetentionMs: context.shortMs });
        await registry.register({ id: { type: "writer", instance: "left" } });
        await registry.register({ id: { type: "writer", instance: "stays" } });
        const events = registry.watch();
        for (let looks = 0; looks < 3; looks++) await registry.snapshot(); // the watch has begun by now
        await registry.deregister({ type: "writer", instance: "left" });
        await registry.register(ADA);
        await registry.register({ id: { type: "writer", instance: "came and left" } });
        await registry.deregister({ type: "writer", instance: "came and left" });
        await context.elapse(context.shortMs);
        const told: AgentEvent[] = [];
        for await (const event of events) if (told.push(event) === 2) break;
        const seen = told.map((event) => "agentId" in event && [event.type, event.agentId.instance, event.inferred]);
        assert.deepEqual(seen, [["leave", "left", true], ["join", "ada", true]]);
      }),
  },
  {
    name: "registry: watch() reads a long log in pages, and tells each event once",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const [first, second] = [await start(), await start()];
        const events = first.registry.watch();
        for (let looks = 0; looks < 3; looks++) await first.registry.snapshot(); // the watch has begun by now
        await Promise.all(agents("worker", 250).map((agent) => second.registry.register(agent)));
        const told = new Set<string | undefined>();
        let count = 0;
        for await (const event of events) {
          if (event.type === "join") told.add(event.agentId.instance);
          if (++count === 250) break;
        }
        assert.equal(told.size, 250);
      }),
  },
  {
    name: "registry: watch() ends when its signal is aborted or the registry is closed",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const { registry } = await start();
        const watch = async (signal?: AbortSignal) => {
          for await (const _ of registry.watch(signal && { signal })) { /* nothing happens */ }
        };
        const over = new AbortController();
        const [first, second] = [watch(over.signal), watch()];
        over.abort();
        await first;
        await registry.close();
        await second;
        await watch();
      }),
  },
];
