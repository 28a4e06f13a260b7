/** Servers that stand still: aborts, stops and closes end in their time, and nothing is lost by it. @module */

import { assert, assertEquals } from "@std/assert";
import { RedisBackend } from "../../backends/redis.ts";
import { AgentRegistry, CircuitBreaker, MemoryPrimitive, MessageCoordinator, serveAgent } from "../../mod.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import { until } from "../until.ts";
import { freshSchema, postgresPrograms, PostgresServer } from "./postgres.ts";
import { redisProgram, RedisServer } from "./redis.ts";

const LIMIT_MS = 2000;
/** A close takes at most a call's time and a second; one that took two calls' would take longer than this, too. */
const CLOSE_MS = LIMIT_MS + 1500;
const ABORT_MS = 1500;
const SENDER = { type: "sender" };
const WORKER = { type: "worker" };
const IDS = Array.from({ length: 20 }, (_, n) => `message-${n}`);

interface Server extends AsyncDisposable {
  pause(): void;
  resume(): void;
}

/** Prepares something on a backend of its own; what it returns is done while the server stands still. */
type Prepare = (backend: StorageBackend) => Promise<() => Promise<unknown>>;

const ABORTS: Readonly<Record<string, Prepare>> = {
  "receive()": async (backend) => {
    const controller = new AbortController();
    const received = new MessageCoordinator(backend).receive(WORKER, { waitMs: 60_000, signal: controller.signal });
    const over = received.then(() => assert(false, "it got a message"), () => {});
    await backend.get([]);
    return () => {
      controller.abort();
      return over;
    };
  },
  "AgentRegistry.watch()": async (backend) => {
    const controller = new AbortController();
    const next = new AgentRegistry(backend, { namespace: "quiet" }).watch({ signal: controller.signal }).next();
    await backend.get([]);
    return () => {
      controller.abort();
      return next;
    };
  },
  "serveAgent().stop()": async (backend) => {
    const process = () => assert(false, "it handled a message");
    const server = serveAgent(new MessageCoordinator(backend), { agentId: WORKER, process });
    await backend.listen(["other"], () => {});
    return () => server.stop();
  },
};

const CLOSES: Readonly<Record<string, Prepare>> = {
  "AgentRegistry.close()": async (backend) => {
    const registry = new AgentRegistry(backend, { heartbeatTtlMs: 3000 });
    await registry.startHeartbeats();
    await registry.register({ id: WORKER, exportState: () => 1 });
    return () => registry.close();
  },
  "CircuitBreaker.close()": async (backend) => {
    const breaker = new CircuitBreaker({ backend, failureThreshold: 1 });
    await breaker.call(() => 1);
    return () => {
      breaker.call(() => Promise.reject(new Error("down"))).catch(() => {});
      return breaker.close();
    };
  },
  "MemoryPrimitive.close()": async (backend) => {
    const memory = new MemoryPrimitive({ backend });
    await memory.watch(() => {});
    await memory.add("note", "a word");
    return () => {
      memory.search("word").catch(() => {});
      return memory.close();
    };
  },
  "close() of the backend": async (backend) => {
    await backend.listen(["other"], () => {});
    await backend.get([]);
    return () => {
      const calls = [() => backend.get([["key"]]), () => backend.listen(["topic"], () => {})];
      for (const call of calls) call().catch(() => {});
      return backend.close();
    };
  },
};

async function takesAtMost(maxMs: number, name: string, act: () => Promise<unknown>): Promise<void> {
  const startedAt = performance.now();
  await act();
  const tookMs = performance.now() - startedAt;
  assert(tookMs < maxMs, `${name} took ${tookMs} ms`);
}

/** Nothing was handled while the server stood still: now all of it is, each message once. */
async function handleAll(coordinator: MessageCoordinator): Promise<void> {
  const handled: string[] = [];
  await using _server = serveAgent(coordinator, {
    agentId: WORKER,
    process: ({ messageId }) => void handled.push(messageId),
  });
  await until("all is handled", async () => (await coordinator.stats()).length === 0);
  assertEquals(handled.toSorted(), IDS.toSorted());
}

async function standStill(server: Server, open: () => StorageBackend): Promise<void> {
  const backends: StorageBackend[] = [];
  const openOne = () => {
    const backend = open();
    backends.push(backend);
    return backend;
  };
  try {
    const coordinator = new MessageCoordinator(openOne(), { visibilityTimeoutMs: 1000 });
    await coordinator.stats();
    const prepared: (() => Promise<void>)[] = [];
    for (const [cases, maxMs] of [[ABORTS, ABORT_MS], [CLOSES, CLOSE_MS]] as const) {
      for (const [name, prepare] of Object.entries(cases)) {
        const act = await prepare(openOne());
        prepared.push(() => takesAtMost(maxMs, name, act));
      }
    }
    server.pause();
    // Whoever waits looks every second at least: then a look is under way.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await Promise.all(prepared.map((run) => run())).finally(() => server.resume());
    for (const messageId of IDS) await until(`${messageId} is sent`, () => isSent(coordinator, messageId));
    await handleAll(coordinator);
  } finally {
    for (const backend of backends) await backend.close();
  }
}

async function isSent(coordinator: MessageCoordinator, messageId: string): Promise<boolean> {
  return (await coordinator.sendMessage(SENDER, WORKER, { messageId }).catch(() => null))?.delivered === true;
}

Deno.test({
  name: "Redis stands still: aborts, stops and closes end in their time, and nobody handles what comes later",
  ignore: redisProgram === null, // no server here
  fn: async () => {
    await using server = await RedisServer.start();
    await standStill(server, () => new RedisBackend({ url: server.url, commandTimeoutMs: LIMIT_MS }));
  },
});

Deno.test({
  name: "PostgreSQL stands still: aborts, stops and closes end in their time, and nobody handles what comes later",
  ignore: postgresPrograms === null, // no server here
  fn: async () => {
    await using server = await PostgresServer.start();
    const open = freshSchema(server);
    await standStill(server, () => open({ commandTimeoutMs: LIMIT_MS, maxConnections: 2 }));
  },
});
