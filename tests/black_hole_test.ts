/** While a store swallows every call, each thing ends in its time, and nothing is handled silently. @module */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { CompositeBackend } from "../backends/composite.ts";
import { MemoryBackend } from "../backends/memory.ts";
import {
  AgentRegistry,
  CircuitBreaker,
  MemoryPrimitive,
  MessageCoordinator,
  serveAgent,
  SharedRetryBudget,
} from "../mod.ts";
import { BackendUnavailableError } from "../src/errors.ts";
import { ManualClock } from "../src/testing/manual_clock.ts";
import { BlackHole, LIMIT_MS } from "./storage/black_hole.ts";
import { turn } from "./storage/stand_in.ts";

const ADA = { type: "writer", instance: "ada" };
const BOB = { type: "writer", instance: "bob" };
const EVE = { type: "editor" };
const EXPORT = { exportState: () => ({ pages: 1 }) };
/** A call, a stop and a close may take longer than one call of the store by so much. */
const CALL_MS = LIMIT_MS + 1000;
/** How soon an abort takes effect. */
const ABORT_MS = 500;
const STEP_MS = 50;

/** A store on a clock that is moved by hand. */
class World {
  readonly clock = new ManualClock();
  readonly hole = new BlackHole(new MemoryBackend({ clock: this.clock }), this.clock);
  readonly backend = this.hole.backend;
  readonly coordinator = new MessageCoordinator(this.backend, { clock: this.clock });

  /** How long something takes, by the clock. */
  async measure(work: () => Promise<unknown>): Promise<number> {
    const startMs = this.clock.now();
    let isOver = false;
    const over = work().catch(() => {}).finally(() => isOver = true);
    for (await turn(); !isOver && this.clock.now() - startMs < 20 * LIMIT_MS;) await this.clock.advance(STEP_MS);
    assert(isOver, "it hangs");
    await over;
    return this.clock.now() - startMs;
  }

  async registry(): Promise<AgentRegistry> {
    const registry = new AgentRegistry(this.backend, { clock: this.clock, heartbeatTtlMs: 6000 });
    await registry.startHeartbeats();
    for (const id of [ADA, BOB]) await registry.register({ id, ...EXPORT });
    await registry.heartbeat(ADA);
    return registry;
  }

  async memory(): Promise<MemoryPrimitive> {
    const memory = new MemoryPrimitive({ backend: this.backend, clock: this.clock });
    await memory.add("note", "a word");
    await memory.search("word");
    return memory;
  }

  async budget(): Promise<SharedRetryBudget> {
    const budget = new SharedRetryBudget({
      backend: this.backend,
      name: "calls",
      creditIntervalMs: 0,
      clock: this.clock,
    });
    await budget.spend("transient");
    return budget;
  }
}

type Prepare = (world: World) => Promise<() => Promise<unknown>>;

/** All at once, one begun after the other: none is to wait for the time of another. */
function together(...calls: readonly (() => Promise<unknown>)[]): Promise<unknown> {
  return Promise.allSettled(calls.map((call) => call()));
}

/** What is done in a black hole, and how long that may take. */
const CASES: Readonly<Record<string, readonly [maxMs: number, prepare: Prepare]>> = {
  "receive() that is aborted": [ABORT_MS, async ({ coordinator }) => {
    const controller = new AbortController();
    const received = coordinator.receive(ADA, { waitMs: 3_600_000, signal: controller.signal });
    received.catch(() => {});
    await turn();
    return () => {
      controller.abort();
      return received;
    };
  }],
  "serveAgent().stop() with nothing to do": [ABORT_MS, async ({ coordinator }) => {
    const server = serveAgent(coordinator, { agentId: ADA, process: () => {} });
    await turn();
    return () => server.stop();
  }],
  "serveAgent().stop() while a handler ends": [CALL_MS, async ({ coordinator }) => {
    const handled = Promise.withResolvers<void>();
    const server = serveAgent(coordinator, { agentId: ADA, process: () => handled.promise });
    await coordinator.sendMessage(EVE, ADA, {});
    await turn();
    return () => {
      handled.resolve();
      return server.stop();
    };
  }],
  "serveAgent().stop() that aborts a handler": [CALL_MS, async ({ coordinator }) => {
    const process = (_: unknown, { signal }: { readonly signal: AbortSignal }) =>
      new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    const server = serveAgent(coordinator, { agentId: ADA, process }, { concurrency: 2 });
    await coordinator.sendMessage(EVE, ADA, {});
    await turn();
    return () => server.stop({ timeoutMs: 0 });
  }],
  "AgentRegistry.register(), setStatus() and deregister()": [CALL_MS, async (world) => {
    const registry = await world.registry();
    return () =>
      together(
        () => registry.register({ id: ADA, ...EXPORT }),
        () => registry.setStatus(BOB, "busy"),
        () => registry.deregister(BOB),
      );
  }],
  "AgentRegistry.setStatus() behind another": [CALL_MS, async (world) => {
    const registry = await world.registry();
    return async () => {
      registry.setStatus(ADA, "busy").catch(() => {});
      await world.clock.advance(STEP_MS);
      await registry.setStatus(BOB, "busy");
    };
  }],
  "AgentRegistry.deregister()": [CALL_MS, async (world) => {
    const registry = await world.registry();
    return () => registry.deregister(ADA);
  }],
  "AgentRegistry.stopHeartbeats()": [CALL_MS, async (world) => {
    const registry = await world.registry();
    return () => registry.stopHeartbeats();
  }],
  "AgentRegistry.close()": [CALL_MS, async (world) => {
    const registry = await world.registry();
    return () => registry.close();
  }],
  "AgentRegistry.watch() that is aborted": [ABORT_MS, async (world) => {
    const registry = await world.registry();
    const controller = new AbortController();
    const events = registry.watch({ signal: controller.signal });
    const next = events.next();
    await turn();
    return () => {
      controller.abort();
      return next;
    };
  }],
  "AgentRegistry.watch() that is left": [ABORT_MS, async (world) => {
    const registry = await world.registry();
    const events = registry.watch();
    await registry.setStatus(ADA, "busy");
    await events.next();
    return () => events.return();
  }],
  "CircuitBreaker.close()": [CALL_MS, async ({ backend, clock }) => {
    const breaker = new CircuitBreaker({ name: "service", failureThreshold: 1, backend, clock });
    await breaker.call(() => 1);
    return () => {
      breaker.call(() => Promise.reject(new Error("down"))).catch(() => {});
      return breaker.close();
    };
  }],
  "SharedRetryBudget.flush() behind others": [CALL_MS, async (world) => {
    const budget = await world.budget();
    return () => {
      for (let times = 0; times < 3; times++) budget.succeed(0);
      return budget.flush();
    };
  }],
  "MemoryPrimitive.search() behind another": [CALL_MS, async (world) => {
    const memory = await world.memory();
    return async () => {
      memory.search("word").catch(() => {});
      await world.clock.advance(STEP_MS);
      await memory.search("word");
    };
  }],
  "MemoryPrimitive.update() behind others": [CALL_MS, async (world) => {
    const memory = await world.memory();
    const update = () => memory.update("note", () => "another");
    return () => together(update, update, update);
  }],
  "MemoryPrimitive.watch()": [CALL_MS, async (world) => {
    const memory = await world.memory();
    return () => memory.watch(() => {});
  }],
  "MemoryPrimitive.watch()'s end": [CALL_MS, async (world) => {
    const end = await (await world.memory()).watch(() => {});
    return () => end();
  }],
  "MemoryPrimitive.close() with calls under way": [CALL_MS, async (world) => {
    const memory = await world.memory();
    await memory.watch(() => {});
    return () => {
      memory.search("word").catch(() => {});
      memory.update("note", () => "another").catch(() => {});
      return memory.close();
    };
  }],
  "a composite's unlisten(), of what it listens to later": [ABORT_MS, async ({ backend, hole, clock }) => {
    const fallback = { fallback: new MemoryBackend({ clock }), queues: true };
    const composite = new CompositeBackend({ default: { backend, fallback }, clock });
    hole.open();
    const listening = composite.listen(["topic"], () => {});
    await clock.advance(LIMIT_MS + STEP_MS);
    const unlisten = await listening;
    return () => unlisten();
  }],
};

for (const [name, [maxMs, prepare]] of Object.entries(CASES)) {
  Deno.test(`${name} takes at most ${maxMs} ms in a black hole`, async () => {
    // Whatever is done in the background is under way at one of these moments.
    for (const sinceMs of [0, 1100, 2600, 4100]) {
      const world = new World();
      const act = await prepare(world);
      world.hole.open();
      await world.clock.advance(sinceMs);
      const tookMs = await world.measure(act);
      assert(tookMs <= maxMs, `${tookMs} ms, begun after ${sinceMs} ms`);
    }
  });
}

Deno.test("receive() that is aborted gives back what comes for it all the same, at once", async () => {
  const { clock, hole, coordinator } = new World();
  await coordinator.sendMessage(EVE, ADA, { payload: { n: 1 } });
  for (const waitMs of [0, 1000, Infinity]) {
    hole.open();
    const controller = new AbortController();
    const received = coordinator.receive(ADA, { waitMs, signal: controller.signal, visibilityTimeoutMs: 3_600_000 });
    const aborted = assertRejects(() => received, Error, "enough");
    await clock.advance(STEP_MS);
    controller.abort(new Error("enough"));
    await clock.advance(ABORT_MS);
    await aborted;
    hole.close(); // the engine leases the message only now
    await turn();
  }
  const received = await coordinator.receive(ADA);
  assertEquals([received?.message.payload, received?.attempt], [{ n: 1 }, 4]);
  assertEquals(received?.queueMessage.lastError, "the receiver had gone before the message came");
  assertEquals(clock.timers, 0);
});

Deno.test("receive() that is aborted returns what comes in the next moment: its attempt is not in vain", async () => {
  const { clock, hole, coordinator } = new World();
  await coordinator.sendMessage(EVE, ADA, {});
  hole.open();
  const controller = new AbortController();
  const received = coordinator.receive(ADA, { waitMs: 1000, signal: controller.signal });
  controller.abort();
  await clock.advance(STEP_MS);
  hole.close();
  assertEquals((await received)?.attempt, 1);
  assertEquals(clock.timers, 0);
});

Deno.test("serveAgent().stop() handles no message that comes later", async () => {
  const { clock, hole, coordinator } = new World();
  const handled: number[] = [];
  const serve = () =>
    serveAgent(coordinator, { agentId: ADA, process: (_, { attempt }) => void handled.push(attempt) });
  hole.open();
  const server = serve();
  const stopped = server.stop();
  await clock.advance(ABORT_MS);
  await stopped;
  hole.close();
  await coordinator.sendMessage(EVE, ADA, {});
  await turn();
  assertEquals(handled, []);
  const another = serve();
  await turn();
  assertEquals(handled.length, 1);
  await another.stop();
  assertEquals(await coordinator.stats(), []);
  assertEquals(clock.timers, 0);
});

Deno.test("AgentRegistry.close() leaves no timer, and its agents to fall silent where the store is away", async () => {
  const world = new World();
  const { clock, hole } = world;
  const registry = await world.registry();
  hole.open();
  assert(await world.measure(() => registry.close()) <= CALL_MS);
  hole.close();
  await turn();
  assertEquals(clock.timers, 0);
  const other = new AgentRegistry(world.backend, { clock });
  assertEquals((await other.discover("writer")).length, 2);
  await clock.advance(60_000);
  assertEquals((await other.discover("writer")).length, 0);
  await other.close();
});

Deno.test("AgentRegistry tries again what it is asked after an outage has taken what came before", async () => {
  const world = new World();
  const registry = await world.registry();
  world.hole.open();
  const waited = () =>
    together(
      () => assertRejects(() => registry.setStatus(ADA, "lost"), Error),
      async () => {
        await world.clock.advance(STEP_MS);
        await assertRejects(() => registry.setStatus(BOB, "lost"), BackendUnavailableError, "the write before it");
      },
    );
  await world.measure(waited);
  world.hole.close();
  await registry.setStatus(BOB, "found");
  assertEquals((await registry.get(BOB))?.status, "found");
  await registry.close();
});
