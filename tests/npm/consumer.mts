/** What a strict TypeScript project writes: every door of the package, with types that are not `any`. @module */

import {
  AgentRegistry,
  type Changes,
  CircuitBreaker,
  type JsonObject,
  MemoryPrimitive,
  MessageCoordinator,
  type MessageResult,
  retryWithBackoff,
  serveAgent,
  type StorageBackend,
} from "@tta/agent-coordination";
import { CompositeBackend } from "@tta/agent-coordination/composite";
import { DenoKvBackend } from "@tta/agent-coordination/deno-kv";
import { MemoryBackend } from "@tta/agent-coordination/memory";
import { openBackend } from "@tta/agent-coordination/open";
import { PostgresBackend } from "@tta/agent-coordination/postgres";
import { RedisBackend } from "@tta/agent-coordination/redis";
import { SqliteBackend } from "@tta/agent-coordination/sqlite";
import { backendConformance, ManualClock } from "@tta/agent-coordination/testing";

/** Fails to compile where a type has become `any`. */
type NotAny<Type> = 0 extends 1 & Type ? never : Type;

const backend: NotAny<StorageBackend> = new MemoryBackend();
const coordinator = new MessageCoordinator(backend);
const sent: NotAny<MessageResult> = await coordinator.sendMessage({ type: "a" }, { type: "b" }, { payload: { n: 1 } });
const received = await coordinator.receive({ type: "b" });
const payload: NotAny<JsonObject> | undefined = received?.message.payload;
const changes: NotAny<Changes> = await backend.changes(["records"]);
const server = serveAgent(coordinator, { agentId: { type: "b" }, process: ({ payload: { n } }) => ({ n: n ?? null }) });
await server.stop();
const registry = new AgentRegistry(backend);
const breaker = new CircuitBreaker({ name: "model" });
const answer: NotAny<string> = await retryWithBackoff(() => breaker.call(() => Promise.resolve("answer")));
const isWell = [sent.delivered, payload?.n === 1, changes.entries.length === 0, answer === "answer"].every(Boolean);
if (!isWell) throw new Error("the package does not work");

export const others: readonly NotAny<(...args: never[]) => unknown>[] = [
  () => new CompositeBackend({ default: backend }),
  () => new DenoKvBackend({ path: "kv.db" }),
  () => new PostgresBackend({ url: "postgres://localhost/test" }),
  () => new RedisBackend({ url: "redis://localhost" }),
  () => new SqliteBackend({ path: "test.db" }),
  () => openBackend("memory:"),
  () => new MemoryPrimitive(),
  () =>
    backendConformance({
      test: () => {},
      factory: () => ({ backend }),
      advance: (ms) => new ManualClock().advance(ms),
    }),
];

// @ts-expect-error -- a priority is a number
await coordinator.sendMessage({ type: "a" }, { type: "b" }, { payload: {}, priority: "high" }).catch(() => {});

await registry.close();
await breaker.close();
await backend.close();
