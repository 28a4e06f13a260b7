/** Tests of what happens when another process comes in between. @module */

import { assertEquals } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { AgentRegistry } from "../../src/agents/registry.ts";
import type { AgentEvent } from "../../src/agents/model.ts";
import type { AgentRegistryOptions } from "../../src/agents/registry_options.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { Interrupted } from "./interrupted.ts";

const ADA = { id: { type: "writer", instance: "ada" } };
const BOB = { id: { type: "writer", instance: "bob" } };

interface Pair extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly backend: MemoryBackend;
  /** Where `first` can be interrupted. */
  readonly store: Interrupted;
  readonly first: AgentRegistry;
  readonly second: AgentRegistry;
  /** The kinds of the events that were told. */
  told(): Promise<string[]>;
}

function twoProcesses(options: AgentRegistryOptions = {}): Pair {
  const clock = new ManualClock();
  const backend = new MemoryBackend({ clock });
  const store = new Interrupted(backend);
  const first = new AgentRegistry(store, { clock, ...options });
  const second = new AgentRegistry(backend, { clock, ...options });
  return {
    clock,
    backend,
    store,
    first,
    second,
    told: async () => {
      const kinds: string[] = [];
      for await (const { value } of backend.list(["ao", "agent", "event"])) {
        kinds.push(String(Reflect.get(Object(Reflect.get(Object(value), "event")), "type")));
      }
      return kinds;
    },
    [Symbol.asyncDispose]: async () => {
      await first.close();
      await second.close();
    },
  };
}

Deno.test("an agent that is heard of at the last moment is not declared dead", async () => {
  await using pair = twoProcesses();
  const { clock, store, first, second, told } = pair;
  await first.startHeartbeats();
  await second.register(ADA);
  let heard = 0;
  store.beforeCommit = {
    text: '"death"',
    run: () => {
      heard++;
      return second.heartbeat(ADA.id);
    },
  };
  await clock.advance(60_000);
  assertEquals([heard, await told()], [1, ["join"]]);
  assertEquals((await first.get(ADA.id))?.liveness, "alive");
});

Deno.test("a takeover is noticed though it comes before the holder knows that it has registered", async () => {
  await using pair = twoProcesses();
  const { clock, store, first, second } = pair;
  const lost: unknown[] = [];
  first.on("lost", ({ agentId }) => lost.push(agentId));
  await first.startHeartbeats();
  await first.register(BOB);
  store.afterCommit = {
    text: '"join"',
    run: async () => {
      await second.register(ADA);
      await first.heartbeat(BOB.id); // is refused, and uses the refusal up
    },
  };
  const { incarnation } = await first.register(ADA);
  await clock.advance(20_000);
  assertEquals(lost, [ADA.id]);
  assertEquals(((await second.get(ADA.id))?.incarnation ?? 0) > incarnation, true);
});

Deno.test("a state that is saved while another process registers is the one that it restores", async () => {
  await using pair = twoProcesses();
  const { store, first, second } = pair;
  let state = "old";
  await second.register({ ...ADA, exportState: () => state });
  await second.heartbeat(ADA.id);
  state = "new";
  store.beforeCommit = { text: '"join"', run: () => second.heartbeat(ADA.id) };
  let restored: unknown;
  await first.register({ ...ADA, importState: (saved) => void (restored = saved) });
  assertEquals(restored, "new");
});

Deno.test("an agent that was declared dead does not come back over another that is faster", async () => {
  await using pair = twoProcesses();
  const { clock, store, first, second } = pair;
  const lost: unknown[] = [];
  first.on("lost", ({ agentId }) => lost.push(agentId));
  await first.startHeartbeats();
  await second.startHeartbeats();
  await first.register(ADA);
  await clock.advance(30_000);
  store.fault = "unreachable";
  await clock.advance(50_000);
  assertEquals(await second.get(ADA.id), null);
  store.beforeGet = { part: "past", run: () => second.register(ADA) };
  store.fault = "none";
  await clock.advance(20_000);
  assertEquals([lost, store.beforeGet], [[ADA.id], null]);
  assertEquals((await second.snapshot()).local.length, 1);
});

Deno.test("an older incarnation that begins to send heartbeats changes nothing of its successor", async () => {
  await using pair = twoProcesses();
  const { first, second } = pair;
  const lost: unknown[] = [];
  first.on("lost", ({ agentId }) => lost.push(agentId));
  await first.register({ ...ADA, exportState: () => "the zombie's" });
  const { incarnation } = await second.register(ADA);
  await first.startHeartbeats();
  assertEquals(lost, [ADA.id]);
  assertEquals((await second.get(ADA.id))?.incarnation, incarnation);
});

Deno.test("two processes that hold deaths back at the same time tell so once", async () => {
  await using pair = twoProcesses({ holdMinimum: 1, holdShare: 0 });
  const { clock, backend, store, first, second, told } = pair;
  await second.register(ADA);
  await second.register(BOB);
  await first.startHeartbeats();
  store.beforeCommit = {
    text: '"expiry_held"',
    run: () => {
      const mark = (kind: string) => ({ type: "set" as const, key: ["ao", "agent", kind, "writer"], value: 1 });
      return backend.commit({ operations: [{ ...mark("hold"), expiresInMs: 30_000 }, mark("held")] });
    },
  };
  await clock.advance(60_000);
  assertEquals([store.beforeCommit, await told()], [null, ["join", "join"]]);
  await clock.advance(60_000);
  assertEquals(await told(), ["join", "join", "death", "death"]);
});

Deno.test("watch() tells the event itself when it is written while the log is read", async () => {
  await using pair = twoProcesses();
  const { store, first, second } = pair;
  await second.register(ADA);
  const events = first.watch();
  for (let looks = 0; looks < 3; looks++) await first.snapshot(); // the watch has begun by now
  store.beforeGet = { part: "log", run: () => second.deregister(ADA.id) };
  let told: AgentEvent | undefined;
  for await (const event of events) {
    told = event;
    break;
  }
  assertEquals([told?.type, told && "inferred" in told], ["leave", false]);
});
