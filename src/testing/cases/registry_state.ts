/** Cases: what an agent remembers outlives it. @module */

import assert from "node:assert/strict";
import type { RegistryAgent } from "../../agents/model.ts";
import { MessageCoordinator } from "../../messages/coordinator.ts";
import type { JsonValue } from "../../storage/json.ts";
import { withAgentFleet } from "../agent_fleet.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import { codeOf, rejection } from "../steps.ts";

const ID = { type: "writer", instance: "ada" };

/** An agent that remembers one value. */
class Memory implements RegistryAgent {
  readonly id = ID;
  state: JsonValue | undefined;
  /** What it was handed back, if anything. */
  imported: JsonValue | undefined;
  exports = 0;

  constructor(state?: JsonValue) {
    this.state = state;
  }

  exportState(): JsonValue | undefined {
    this.exports++;
    return this.state;
  }

  importState(state: JsonValue): void {
    this.imported = state;
    this.state = state;
  }
}

/** Cases about saved states. */
export const registryStateCases: readonly ConformanceCase[] = [
  {
    name: "registry: a state is saved by heartbeats and restored at the next registration, long after a crash",
    run: (context) =>
      withAgentFleet(context, async ({ start, kill, until, pass, ttlMs, suspicionMs, intervalMs }) => {
        const [first, second] = [await start(), await start()];
        await first.registry.startHeartbeats();
        await second.registry.startHeartbeats();
        const memory = new Memory({ chapters: 1 });
        assert.equal((await first.registry.register(memory)).restored, false);
        memory.state = { chapters: 2 };
        await pass(2 * intervalMs);
        kill(first);
        await until("its death is told", async () => await second.registry.get(ID) === null);
        await pass(2 * (ttlMs + suspicionMs));
        const reborn = new Memory();
        assert.equal((await second.registry.register(reborn)).restored, true);
        assert.deepEqual(reborn.imported, { chapters: 2 });
      }),
  },
  {
    name:
      "registry: a state is saved at deregistration, restored after a restart of the store, and kept when not imported",
    needs: ["durable"],
    run: async (context) => {
      await withAgentFleet(context, async ({ start }) => {
        const { registry } = await start();
        await registry.register(new Memory(["draft"]));
        await registry.deregister(ID);
      });
      const backend = await context.reopen();
      await withAgentFleet({ ...context, backend }, async ({ start }) => {
        const { registry } = await start();
        assert.equal((await registry.register({ id: ID })).restored, false);
        await registry.heartbeat(ID);
        await registry.deregister(ID);
        const memory = new Memory();
        await registry.register(memory);
        assert.deepEqual(memory.imported, ["draft"]);
      });
    },
  },
  {
    name: "registry: a saved state is gone after its retention",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const { registry } = await start({ stateRetentionMs: context.shortMs });
        await registry.register(new Memory("old"));
        await registry.deregister(ID);
        await context.elapse(context.shortMs);
        assert.equal((await registry.register(new Memory())).restored, false);
      }),
  },
  {
    name: "registry: a state is written only when it has changed",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const { registry } = await start();
        const memory = new Memory({ chapters: 1 });
        await registry.register(memory);
        await registry.heartbeat(ID);
        const version = async () => (await context.backend.get([["ao", "agent", "past", "writer", "ada"]]))[0]?.version;
        const before = await version();
        await registry.heartbeat(ID);
        assert.equal(await version(), before);
        memory.state = { chapters: 2 };
        await registry.heartbeat(ID);
        assert.notEqual(await version(), before);
      }),
  },
  {
    name: "registry: a blank state never overwrites the saved one before it is restored",
    run: (context) =>
      withAgentFleet(context, async ({ start, pass, intervalMs }) => {
        const [first, second] = [await start(), await start()];
        await first.registry.register(new Memory("precious"));
        await first.registry.deregister(ID);
        await second.registry.startHeartbeats();
        let finish = () => {};
        const importing = new Promise<void>((resolve) => finish = resolve);
        let exports = 0;
        const slow = { id: ID, importState: () => importing, exportState: () => `blank ${exports++}` };
        const registered = second.registry.register(slow);
        await pass(2 * intervalMs);
        assert.equal(exports, 0);
        finish();
        assert.equal((await registered).restored, true);
      }),
  },
  {
    name: "registry: when importState fails, the agent is not registered and its state is kept",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const { registry } = await start();
        await registry.register(new Memory("precious"));
        await registry.deregister(ID);
        const importState = () => {
          throw new Error("not today");
        };
        await assert.rejects(registry.register({ id: ID, importState, exportState: () => "blank" }), /not today/);
        assert.equal(await registry.get(ID), null);
        const memory = new Memory();
        await registry.register(memory);
        assert.equal(memory.imported, "precious");
      }),
  },
  {
    name: "registry: a state that cannot be had or stored keeps no heartbeat from the store, and is told",
    run: (context) =>
      withAgentFleet(context, async ({ start, pass, until, ttlMs }) => {
        const { registry } = await start();
        const failed = new Set<string | undefined>();
        registry.on("state_failed", ({ agentId, error }) => {
          assert.ok(error instanceof Error);
          failed.add(agentId.instance);
        });
        const throwing = () => {
          throw new Error("not today");
        };
        await registry.register({ id: { type: "writer", instance: "throws" }, exportState: throwing });
        const wrong = () => new Date(0) as unknown as JsonValue;
        await registry.register({ id: { type: "writer", instance: "is no JSON" }, exportState: wrong });
        const never = () => new Promise<JsonValue>(() => {});
        await registry.register({ id: { type: "writer", instance: "hangs" }, exportState: never });
        await registry.register(new Memory("fine"));
        void registry.startHeartbeats();
        await until("failures are told", () => failed.size === 2);
        await pass(2 * ttlMs);
        const alive = (await registry.discover("writer")).filter(({ liveness }) => liveness === "alive");
        assert.equal(alive.length, 4);
        const stopped = registry.close();
        await pass(ttlMs);
        await stopped;
        const memory = new Memory();
        const again = await start();
        await again.registry.register(memory);
        assert.equal(memory.imported, "fine");
      }),
  },
  {
    name: "registry: prepareSaveState() saves in one step with an acknowledgement, and a zombie can do neither",
    run: (context) =>
      withAgentFleet(context, async ({ start }) => {
        const [first, second] = [await start(), await start()];
        const coordinator = new MessageCoordinator(context.backend);
        await coordinator.sendMessage({ type: "editor" }, ID, { payload: { n: 1 } });
        const memory = new Memory();
        await first.registry.register(memory);
        const received = await coordinator.receive(ID, { visibilityTimeoutMs: LONG_MS });
        assert.ok(received);
        memory.state = { done: 1 };
        const save = await first.registry.prepareSaveState(ID);
        const successor = new Memory("the successor's");
        await second.registry.register(successor);
        assert.equal(successor.imported, undefined);
        assert.equal(codeOf(await rejection(() => received.ack({ also: save }))), "COMMIT_REFUSED");
        successor.state = { done: 1 };
        assert.equal(await received.ack({ also: await second.registry.prepareSaveState(ID) }), true);
        const third = new Memory();
        await first.registry.register(third);
        assert.deepEqual(third.imported, { done: 1 });
      }),
  },
];
