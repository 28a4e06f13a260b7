/** Cases: the agent registry registers, fences and finds agents on this backend. @module */

import assert from "node:assert/strict";
import type { RegistryAgent } from "../../agents/model.ts";
import { AgentRegistry } from "../../agents/registry.ts";
import { collect } from "../../storage/es2024.ts";
import { agents, logged, withAgentFleet } from "../agent_fleet.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import { codeOf, rejection } from "../steps.ts";

const ADA: RegistryAgent = { id: { type: "writer", instance: "ada" }, metadata: { model: "small" } };

/** Cases about registrations. */
export const registryCases: readonly ConformanceCase[] = [
  {
    name: "registry: an agent is found by every process until it is deregistered, and join and leave are told once",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const [first, second] = [await start(), await start()];
        const { agentId, incarnation, restored } = await first.registry.register(ADA);
        assert.deepEqual([agentId, restored], [ADA.id, false]);
        const found = await second.registry.get(ADA.id);
        assert.deepEqual([found?.agentId, found?.incarnation, found?.liveness], [ADA.id, incarnation, "alive"]);
        assert.deepEqual(found?.metadata, { model: "small" });
        assert.deepEqual(await second.registry.discover("writer"), [found]);
        assert.deepEqual(await second.registry.discover("editor"), []);
        assert.deepEqual(await collect(second.registry.listRegistered()), [found]);
        const { local, shared } = await second.registry.snapshot();
        assert.deepEqual([local, shared], [[], [found]]);
        assert.equal((await first.registry.snapshot()).local.length, 1);
        assert.equal(await first.registry.deregister(ADA.id), true);
        assert.equal(await first.registry.deregister(ADA.id), false);
        assert.equal(await second.registry.get(ADA.id), null);
        assert.deepEqual((await logged(context)).map(({ type }) => type), ["join", "leave"]);
      }),
  },
  {
    name: "registry: an incarnation is larger than any before it, after a leave and a takeover too",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const [first, second] = [await start(), await start()];
        const incarnations = [(await first.registry.register(ADA)).incarnation];
        await first.registry.deregister(ADA.id);
        incarnations.push((await second.registry.register(ADA)).incarnation);
        incarnations.push((await first.registry.register(ADA)).incarnation);
        incarnations.push((await first.registry.register(ADA)).incarnation);
        assert.deepEqual(incarnations, [...new Set(incarnations)].sort((a, b) => a - b));
      }),
  },
  {
    name: "registry: what an older incarnation does is refused with STALE_INCARNATION, and its holder is told once",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const [zombie, successor] = [await start(), await start()];
        const lost: unknown[] = [];
        zombie.registry.on("lost", ({ agentId }) => lost.push(agentId));
        await zombie.registry.register({ ...ADA, exportState: () => "the zombie's" });
        const { incarnation } = await successor.registry.register({ ...ADA, exportState: () => "the successor's" });
        await successor.registry.heartbeat(ADA.id);
        const calls = [
          () => zombie.registry.heartbeat(ADA.id),
          () => zombie.registry.setStatus(ADA.id, "busy"),
          () => zombie.registry.announceSilence(ADA.id, 1000),
          () => zombie.registry.prepareSaveState(ADA.id),
          () => zombie.registry.deregister(ADA.id),
        ];
        for (const call of calls) assert.equal(codeOf(await rejection(call)), "STALE_INCARNATION");
        assert.deepEqual(lost, [ADA.id]);
        assert.equal((await successor.registry.get(ADA.id))?.incarnation, incarnation);
        assert.equal((await successor.registry.get(ADA.id))?.status, undefined);
        let state: unknown;
        await successor.registry.register({ ...ADA, importState: (saved) => void (state = saved) });
        assert.equal(state, "the successor's");
      }),
  },
  ...(["deregister", "setStatus"] as const).map((method): ConformanceCase => ({
    name: `registry: ${method}() of an older incarnation is refused even before a heartbeat of it was`,
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const [zombie, successor] = [await start(), await start()];
        await zombie.registry.register(ADA);
        const { incarnation } = await successor.registry.register(ADA);
        const error = await rejection(() => zombie.registry[method](ADA.id, "busy"));
        assert.equal(codeOf(error), "STALE_INCARNATION");
        assert.equal((await successor.registry.get(ADA.id))?.incarnation, incarnation);
        assert.deepEqual((await logged(context)).map(({ type }) => type), ["join", "join"]);
      }),
  })),
  {
    name: "registry: heartbeats that run go on without an agent that another process has taken, which is told",
    run: (context) =>
      withAgentFleet(context, async ({ start, until, pass, ttlMs }) => {
        const [first, second] = [await start(), await start()];
        const lost: unknown[] = [];
        first.registry.on("lost", ({ agentId, error }) => lost.push(agentId.instance, error.code));
        await first.registry.startHeartbeats();
        await first.registry.register({ id: { type: "writer", instance: "bob" } });
        await first.registry.register(ADA);
        await second.registry.startHeartbeats();
        await second.registry.register(ADA);
        await until("the holder is told", () => lost.length > 0);
        await pass(2 * ttlMs);
        assert.deepEqual(lost, ["ada", "STALE_INCARNATION"]);
        assert.equal((await second.registry.discover("writer")).length, 2);
        assert.equal((await first.registry.snapshot()).local.length, 1);
      }),
  },
  {
    name: "registry: many processes register one name at the same time, and one holds it",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const processes = [await start(), await start(), await start(), await start()];
        const made = await Promise.all(
          processes.flatMap(({ registry }) => [registry.register(ADA), registry.register(ADA)]),
        );
        const incarnations = new Set(made.map(({ incarnation }) => incarnation));
        assert.equal(incarnations.size, 8);
        const found = await processes[0]?.registry.get(ADA.id);
        assert.equal(found?.incarnation, Math.max(...incarnations));
        assert.deepEqual((await logged(context)).length, 8);
      }),
  },
  {
    name: "registry: a join and a leave are told once, though every reply of the store is lost",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const { registry, store } = await start();
        store.losesReplies = true;
        await registry.register(ADA);
        assert.equal((await registry.get(ADA.id))?.liveness, "alive");
        await registry.deregister(ADA.id);
        assert.equal(await registry.get(ADA.id), null);
        assert.deepEqual((await logged(context)).map(({ type }) => type), ["join", "leave"]);
      }),
  },
  {
    name: "registry: processes that register many agents at the same time tell each join once",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        // However slow the machine is, nobody is taken for dead meanwhile.
        const slow = { heartbeatTtlMs: LONG_MS, heartbeatIntervalMs: LONG_MS / 2 };
        const processes = [await start(slow), await start(slow), await start(slow), await start(slow)];
        await Promise.all(processes.map(async ({ registry }, index) => {
          await registry.startHeartbeats();
          await Promise.all(agents("worker", 30, `${index}-`).map((agent) => registry.register(agent)));
        }));
        const joins = (await logged(context)).map((event) => "agentId" in event && event.agentId.instance);
        assert.deepEqual([joins.length, new Set(joins).size], [120, 120]);
        assert.equal((await processes[1]?.registry.discover("worker"))?.length, 120);
      }),
  },
  {
    name: "registry: a listing of many agents reads pages, and makes no call for each agent",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const [first, second] = [await start(), await start()];
        await first.registry.startHeartbeats();
        await Promise.all(agents("worker", 200).map((agent) => first.registry.register(agent)));
        second.store.calls = 0;
        assert.equal((await collect(second.registry.listRegistered({ type: "worker" }))).length, 200);
        assert.ok(second.store.calls <= 3, `${second.store.calls} calls`);
      }),
  },
  {
    name: "registry: one heartbeat is one write, whatever the number of agents",
    run: (context) =>
      withAgentFleet(context, async ({ start, until, intervalMs }) => {
        // However slow the machine is, none of its own heartbeats comes in between.
        const { registry, store } = await start({ heartbeatTtlMs: LONG_MS, heartbeatIntervalMs: LONG_MS / 2 });
        await Promise.all(agents("worker", 150).map((agent) => registry.register(agent)));
        await registry.startHeartbeats(); // moves them into one session
        store.commits = 0;
        await registry.heartbeat({ type: "worker", instance: "0" });
        assert.equal(store.commits, 1);
        const other = await start({ heartbeatIntervalMs: intervalMs });
        await Promise.all(agents("reader", 150).map((agent) => other.registry.register(agent)));
        await other.registry.startHeartbeats();
        other.store.commits = 0;
        await until("the next heartbeats are sent", () => other.store.commits >= 3);
        assert.equal((await registry.discover("reader")).length, 150);
      }),
  },
  {
    name: "registry: a deregistered agent's records go away, but for its last incarnation and its state",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const { registry } = await start({ eventRetentionMs: context.shortMs });
        await Promise.all(agents("worker", 20).map((agent) => registry.register(agent)));
        await registry.close();
        await context.elapse(context.shortMs);
        const left = (await collect(context.backend.list(["ao", "agent"]))).map(({ key }) => key[2]);
        assert.deepEqual(left, ["log", ...agents("worker", 20).map(() => "past")]);
      }),
  },
  {
    name: "registry: any string names an agent, and two namespaces do not meet",
    run: async ({ backend }) => {
      const [first, second] = [new AgentRegistry(backend), new AgentRegistry(backend, { namespace: ["ao", "x"] })];
      const names = ["", "*", ":", "\u0000", "a/b", "😀", "default"].slice(1);
      for (const instance of names) await first.register({ id: { type: "a/b", instance } });
      await first.register({ id: { type: "a" } });
      assert.equal((await first.discover("a/b")).length, names.length);
      assert.deepEqual((await first.discover("a")).map(({ agentId }) => agentId), [{ type: "a", instance: "default" }]);
      assert.deepEqual(await second.snapshot(), { local: [], shared: [] });
      await first.close();
      await second.close();
    },
  },
  {
    name: "registry: records of a newer format are not read as agents",
    run: async ({ backend }) => {
      const registry = new AgentRegistry(backend);
      await backend.commit({
        operations: [{ type: "set", key: ["ao", "agent", "member", "writer", "ada"], value: { v: 2, who: "ada" } }],
      });
      assert.deepEqual(await registry.discover("writer"), []);
      assert.equal(await registry.get(ADA.id), null);
      await registry.close();
    },
  },
  {
    name: "registry: bad input is refused with the field and the rule",
    run: async ({ backend }) => {
      assert.throws(() => new AgentRegistry(backend, { heartbeatTtlMs: 1 }), /heartbeatTtlMs.*from 10/);
      assert.throws(() => new AgentRegistry(backend, { heartbeatIntervalMs: 30_000 }), /heartbeatIntervalMs.*to 15000/);
      assert.throws(() => new AgentRegistry(backend, { holdShare: 2 }), /holdShare.*from 0 to 1/);
      const registry = new AgentRegistry(backend);
      await assert.rejects(registry.register({ id: { type: "" } }), /agent\.id\.type.*not be empty/);
      const metadata = { at: undefined } as unknown as { at: string };
      await assert.rejects(registry.register({ ...ADA, metadata }), /agent\.metadata\.at.*undefined/);
      await assert.rejects(registry.heartbeat(ADA.id), /writer\/ada.*not registered here/);
      await assert.rejects(registry.setStatus(ADA.id, ""), /status.*1 to 256/);
      await assert.rejects(registry.announceSilence(ADA.id, 0), /durationMs.*from 1/);
      assert.equal(await registry.deregister(ADA.id), false);
      assert.equal(await backend.count([]), 0);
      await registry.close();
      await assert.rejects(registry.startHeartbeats(), /closed/);
      await assert.rejects(registry.register(ADA), /closed/);
    },
  },
];
