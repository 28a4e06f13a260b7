/** Cases: agents are alive, then suspect, then dead; and a store that was away kills nobody. @module */

import assert from "node:assert/strict";
import { collect } from "../../storage/es2024.ts";
import { agents, logged, withAgentFleet } from "../agent_fleet.ts";
import type { ConformanceCase } from "../case.ts";

const ADA = { id: { type: "writer", instance: "ada" } };

/** Cases about heartbeats and deaths. */
export const registryLivenessCases: readonly ConformanceCase[] = [
  {
    name: "registry: an agent is alive until its TTL, then suspect, then dead after the suspicion time",
    run: (context) =>
      withAgentFleet(context, async ({ start, pass, ttlMs, suspicionMs }) => {
        const { registry } = await start();
        await registry.register(ADA);
        const liveness = async () => (await registry.get(ADA.id))?.liveness;
        await pass(ttlMs / 2);
        assert.equal(await liveness(), "alive");
        await registry.heartbeat(ADA.id);
        await pass(ttlMs);
        assert.equal(await liveness(), "suspect");
        assert.equal((await registry.discover("writer")).length, 1, "a suspect is still found");
        await pass(suspicionMs);
        assert.equal(await liveness(), "dead");
        assert.deepEqual(await registry.discover("writer"), []);
      }),
  },
  {
    name: "registry: agents that are told by heartbeat(id) live and die each for itself",
    run: (context) =>
      withAgentFleet(context, async ({ start, pass, ttlMs }) => {
        const { registry } = await start();
        for (const agent of agents("writer", 2)) await registry.register(agent);
        await pass(ttlMs * 2 / 3);
        await registry.heartbeat({ type: "writer", instance: "0" });
        await pass(ttlMs / 2);
        const found = await registry.discover("writer");
        assert.deepEqual(found.map(({ liveness }) => liveness), ["alive", "suspect"]);
      }),
  },
  {
    name: "registry: when a process is killed, each of its agents leaves in time with one event, whoever looks",
    run: (context) =>
      withAgentFleet(context, async ({ start, kill, until, pass, ttlMs, suspicionMs }) => {
        const processes = [await start(), await start(), await start(), await start()];
        for (const [index, { registry }] of processes.entries()) {
          await registry.startHeartbeats();
          await Promise.all(agents("worker", 20, `${index}-`).map((agent) => registry.register(agent)));
        }
        await pass(ttlMs);
        const [first, victim] = processes;
        assert.ok(first && victim);
        kill(victim);
        await until("they are gone", async () => (await collect(first.registry.listRegistered())).length === 60);
        await pass(ttlMs + suspicionMs);
        const told = (await logged(context)).filter(({ type }) => type !== "join");
        const dead = told.map((event) => event.type === "death" && event.agentId.instance).sort();
        assert.deepEqual(dead, agents("worker", 20, "1-").map(({ id }) => id.instance ?? "").sort());
        assert.equal((await first.registry.discover("worker")).length, 60);
      }),
  },
  {
    name: "registry: the death of a process is noticed within TTL, suspicion time and a second",
    needs: ["injected clock"],
    run: (context) =>
      withAgentFleet(context, async ({ start, kill, pass, ttlMs, suspicionMs, intervalMs }) => {
        const [first, victim] = [await start(), await start()];
        await first.registry.startHeartbeats();
        await pass(intervalMs / 3); // the two do not go in step
        await victim.registry.startHeartbeats();
        await victim.registry.register(ADA);
        await first.registry.register({ id: { type: "writer", instance: "bob" } });
        await pass(2 * ttlMs);
        kill(victim);
        await pass(ttlMs + suspicionMs - intervalMs - 1000);
        assert.ok(await first.registry.get(ADA.id), "the last heartbeat was at most an interval ago");
        await pass(intervalMs + 2000);
        assert.equal(await first.registry.get(ADA.id), null);
      }),
  },
  {
    name: "registry: a process that had only fallen silent registers its agents again after their death was told",
    run: (context) =>
      withAgentFleet(context, async ({ start, until, pass, ttlMs }) => {
        const [first, second] = [await start(), await start()];
        const rejoined: number[] = [];
        second.registry.on("rejoined", ({ incarnation, formerIncarnation }) => {
          rejoined.push(formerIncarnation, incarnation);
        });
        await first.registry.startHeartbeats();
        await first.registry.register({ id: { type: "writer", instance: "bob" } });
        await second.registry.startHeartbeats();
        const { incarnation } = await second.registry.register({ ...ADA, metadata: { model: "small" } });
        await pass(ttlMs);
        second.store.fault = "unreachable";
        await until("its death is told", async () => (await logged(context)).some(({ type }) => type === "death"));
        second.store.fault = "none";
        await until("it is back", async () => (await first.registry.get(ADA.id))?.liveness === "alive");
        const found = await first.registry.get(ADA.id);
        assert.deepEqual(rejoined, [incarnation, found?.incarnation]);
        assert.deepEqual(found?.metadata, { model: "small" });
        await pass(2 * ttlMs);
        assert.deepEqual((await logged(context)).map(({ type }) => type), ["join", "join", "death", "join"]);
      }),
  },
  {
    name: "registry: a process that was taken for dead does not take its name back from a successor",
    run: (context) =>
      withAgentFleet(context, async ({ start, until, pass, ttlMs }) => {
        const [first, second] = [await start(), await start()];
        const lost: unknown[] = [];
        second.registry.on("lost", ({ agentId }) => lost.push(agentId));
        await first.registry.startHeartbeats();
        await second.registry.startHeartbeats();
        await second.registry.register(ADA);
        await pass(ttlMs);
        second.store.fault = "unreachable";
        await until("its death is told", async () => await first.registry.get(ADA.id) === null);
        const { incarnation } = await first.registry.register(ADA);
        second.store.fault = "none";
        await until("its holder is told", () => lost.length > 0);
        assert.equal((await second.registry.get(ADA.id))?.incarnation, incarnation);
      }),
  },
  {
    name: "registry: an announced silence keeps an agent alive for so much longer, and no longer",
    run: (context) =>
      withAgentFleet(context, async ({ start, pass, ttlMs, suspicionMs }) => {
        const [first, second] = [await start(), await start()];
        await first.registry.startHeartbeats();
        await first.registry.register(ADA);
        await first.registry.announceSilence(ADA.id, 2 * ttlMs);
        await first.registry.stopHeartbeats(); // as a blocked event loop does
        await pass(2 * ttlMs);
        assert.equal((await second.registry.get(ADA.id))?.liveness, "alive");
        await pass(ttlMs + suspicionMs);
        assert.equal((await second.registry.get(ADA.id))?.liveness, "dead");
      }),
  },
  {
    name: "registry: heartbeat(id) ends an announced silence",
    run: (context) =>
      withAgentFleet(context, async ({ start, pass, ttlMs }) => {
        const { registry } = await start();
        await registry.register(ADA);
        await registry.announceSilence(ADA.id, 10 * ttlMs);
        await registry.heartbeat(ADA.id);
        await pass(ttlMs);
        assert.equal((await registry.get(ADA.id))?.liveness, "suspect");
      }),
  },
  {
    name:
      "registry: a store that is away for long evicts nobody, however few they are, and is told once by each process",
    run: (context) =>
      withAgentFleet(context, async ({ start, until, pass, ttlMs, suspicionMs }) => {
        const processes = [await start(), await start(), await start()];
        const told: string[] = [];
        for (const [index, { registry }] of processes.entries()) {
          registry.on("heartbeat_failed", () => told.push("failed"));
          registry.on("heartbeat_recovered", () => told.push("recovered"));
          await registry.startHeartbeats();
          await registry.register({ id: { type: "worker", instance: `${index}` } });
        }
        await pass(2 * ttlMs);
        for (const { store } of processes) store.fault = "unreachable";
        await pass(2 * (ttlMs + suspicionMs));
        for (const { store } of processes) store.fault = "none";
        await until("all are heard of again", async () => {
          const found = await processes[0]?.registry.discover("worker") ?? [];
          return found.filter(({ liveness }) => liveness === "alive").length === 3;
        });
        await pass(2 * ttlMs);
        assert.deepEqual(told.sort(), ["failed", "failed", "failed", "recovered", "recovered", "recovered"]);
        assert.deepEqual(new Set((await logged(context)).map(({ type }) => type)), new Set(["join"]));
      }),
  },
  {
    name: "registry: an outage of the engine itself evicts nobody, and heartbeats go on after it",
    needs: ["outages"],
    run: (context) =>
      withAgentFleet(context, async ({ start, until, pass, ...times }) => {
        // Twice the times of other cases: after the outage each process finds back to the engine at its own pace.
        const [ttlMs, heartbeatIntervalMs, suspicionMs] = [
          2 * times.ttlMs,
          2 * times.intervalMs,
          2 * times.suspicionMs,
        ];
        const options = { heartbeatTtlMs: ttlMs, heartbeatIntervalMs, suspicionMs };
        const processes = [await start(options), await start(options)];
        for (const [index, { registry }] of processes.entries()) {
          await registry.startHeartbeats();
          for (const agent of agents("worker", 3, `${index}-`)) await registry.register(agent);
        }
        await pass(heartbeatIntervalMs);
        const end = await context.outage();
        await pass(1.5 * ttlMs);
        await end();
        await until("all are heard of again", async () => {
          const found = await processes[0]?.registry.discover("worker").catch(() => []) ?? [];
          return found.filter(({ liveness }) => liveness === "alive").length === 6;
        });
        await pass(ttlMs);
        assert.deepEqual(new Set((await logged(context)).map(({ type }) => type)), new Set(["join"]));
      }),
  },
  {
    name:
      "registry: when too many of a type fall silent at once, their deaths are held back for a while and one event says so",
    run: (context) =>
      withAgentFleet(context, async ({ start, kill, watch, until, pass, ttlMs, suspicionMs }) => {
        const options = { holdMs: 2 * ttlMs };
        const processes = [];
        for (let index = 0; index < 6; index++) processes.push(await start(options));
        for (const [index, { registry }] of processes.entries()) {
          await registry.startHeartbeats();
          for (const agent of agents("worker", 4, `${index}-`)) await registry.register(agent);
        }
        const [first, second, third] = processes;
        assert.ok(first && second && third);
        await pass(ttlMs);
        const events = await watch(first);
        kill(second);
        kill(third);
        await until("the hold is told", () => events.some(({ type }) => type === "expiry_held"));
        const [held] = events.filter((event) => event.type === "expiry_held");
        assert.deepEqual([held?.agentType, held?.silent, held?.total, held?.heldForMs], ["worker", 8, 24, 2 * ttlMs]);
        await pass(ttlMs);
        assert.equal((await collect(first.registry.listRegistered())).length, 24);
        assert.equal((await first.registry.discover("worker")).length, 24, "those who are spared are still found");
        await until("the hold is over", async () => (await collect(first.registry.listRegistered())).length === 16);
        await pass(ttlMs + suspicionMs);
        const told = (await logged(context)).map(({ type }) => type);
        assert.equal(told.filter((type) => type === "expiry_held").length, 1);
        assert.equal(told.filter((type) => type === "death").length, 8);
      }),
  },
  {
    name: "registry: a registry that is closed has no timer, and its agents have left",
    needs: ["injected clock"],
    run: (context) =>
      withAgentFleet(context, async ({ start, pass, timers, ttlMs }) => {
        const { registry } = await start();
        assert.equal(timers(), 0, "nothing runs before it is started");
        await registry.register(ADA);
        assert.equal(timers(), 0, "a registration alone needs no timer");
        await registry.startHeartbeats();
        await pass(ttlMs);
        await registry.stopHeartbeats();
        assert.equal(timers(), 0, "heartbeats that are stopped leave none");
        await registry.startHeartbeats();
        await registry.close();
        await registry.close();
        assert.equal(timers(), 0);
        assert.deepEqual((await logged(context)).map(({ type }) => type), ["join", "leave"]);
      }),
  },
];
