/** An option that there is not is refused, wherever options are taken, and nothing is done. @module */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CompositeBackend } from "../backends/composite.ts";
import { DenoKvBackend } from "../backends/deno_kv.ts";
import { MemoryBackend } from "../backends/memory.ts";
import { openBackend } from "../backends/open.ts";
import { RedisBackend } from "../backends/redis.ts";
import { SqliteBackend } from "../backends/sqlite.ts";
import {
  AgentRegistry,
  CircuitBreaker,
  Memory,
  mergeBatches,
  MessageCoordinator,
  porterStem,
  RetryBudget,
  retryWithBackoff,
  serveAgent,
  SharedRetryBudget,
  withRetry,
} from "../mod.ts";
import { backendConformance, ManualClock } from "../src/testing/mod.ts";

const AGENT = { type: "writer" };
const REQUEST = {
  messageId: "message-1",
  sender: AGENT,
  recipient: AGENT,
  messageType: "request" as const,
  payload: {},
  priority: 5,
  routing: {},
  timestamp: "2026-01-01T00:00:00Z",
  correlationId: "message-1",
  replyTo: "address",
};
const WORK = () => 1;
const TOKEN = "token~1~message-1";

/** What no call knows. */
const MISSPELT: object = { delayMS: undefined };

const backend = new MemoryBackend();
const coordinator = new MessageCoordinator(backend);
const registry = new AgentRegistry(backend);
const proxy = { agentId: AGENT, process: () => {} };
const message = { messageId: "message-1", payload: {} };
const withFallback = (options: object) =>
  new CompositeBackend({ default: { backend, fallback: { fallback: new MemoryBackend(), ...options } } });

/** Every call that takes options, with the words by which its error names it. */
const CALLS: readonly (readonly [taker: string, call: () => unknown])[] = [
  ["MemoryBackend", () => new MemoryBackend(MISSPELT)],
  ["SqliteBackend", () => new SqliteBackend({ path: ":memory:", ...MISSPELT })],
  ["RedisBackend", () => new RedisBackend({ url: "redis://127.0.0.1:1", ...MISSPELT })],
  ["DenoKvBackend", () => new DenoKvBackend({ path: ":memory:", ...MISSPELT })],
  ["openBackend()", () => openBackend("memory:", MISSPELT)],
  ["openBackend()", () => openBackend("redis://127.0.0.1:1", MISSPELT)],
  ["CompositeBackend", () => new CompositeBackend({ default: backend, ...MISSPELT })],
  ["the default", () => new CompositeBackend({ default: { backend, ...MISSPELT } })],
  ["a route", () => new CompositeBackend({ default: backend, routes: [{ prefix: ["a"], backend, ...MISSPELT }] })],
  ["a fallback", () => withFallback(MISSPELT)],
  ["a cache", () => new CompositeBackend({ default: { backend, cache: MISSPELT } })],
  ["MessageCoordinator", () => new MessageCoordinator(backend, MISSPELT)],
  ["configure", () => coordinator.configure(MISSPELT)],
  ["a send", () => coordinator.sendMessage(AGENT, AGENT, message, MISSPELT)],
  ["a send", () => coordinator.prepareSend(AGENT, AGENT, message, MISSPELT)],
  ["broadcastMessage()", () => coordinator.broadcastMessage(AGENT, message, { recipients: [AGENT], ...MISSPELT })],
  ["subscribeToMessages()", () => coordinator.subscribeToMessages(AGENT, ["event"], MISSPELT)],
  ["receive()", () => coordinator.receive(AGENT, MISSPELT)],
  ["ack()", () => coordinator.ack(AGENT, "token~1~message-1", MISSPELT)],
  ["nack()", () => coordinator.nack(AGENT, "token~1~message-1", MISSPELT)],
  ["request()", () => coordinator.request(AGENT, {}, MISSPELT)],
  ["deadLetters()", () => coordinator.deadLetters(AGENT, MISSPELT)],
  ["redrive()", () => coordinator.redrive(AGENT, MISSPELT)],
  ["purge()", () => coordinator.purge(AGENT, MISSPELT)],
  ["serveAgent()", () => serveAgent(coordinator, proxy, MISSPELT)],
  ["AgentRegistry", () => new AgentRegistry(backend, MISSPELT)],
  ["listRegistered()", () => registry.listRegistered(MISSPELT).next()],
  ["watch()", () => registry.watch(MISSPELT)],
  ["CircuitBreaker", () => new CircuitBreaker(MISSPELT)],
  ["failureRate", () => new CircuitBreaker({ failureRate: { threshold: 0.5, windowMs: 1000, ...MISSPELT } })],
  ["call()", () => new CircuitBreaker().call(WORK, MISSPELT)],
  ["tryCall()", () => new CircuitBreaker().tryCall(WORK, MISSPELT)],
  ["retryWithBackoff()", () => retryWithBackoff(WORK, MISSPELT)],
  ["retryWithBackoff()", () => withRetry(WORK, MISSPELT)],
  ["RetryBudget", () => new RetryBudget(MISSPELT)],
  ["SharedRetryBudget", () => new SharedRetryBudget({ backend, name: "service", ...MISSPELT })],
];

for (const [index, [taker, call]] of CALLS.entries()) {
  Deno.test(`${taker} refuses an option that it does not know (${index})`, async () => {
    const { message } = await assertRejects(async () => void await call(), TypeError, "Cannot use delayMS: ");
    const isNamed = message.includes(`${taker} takes only `) || message.includes("there is no such setting, only ");
    assertEquals(isNamed, true, message);
    assertEquals(await coordinator.stats(), []);
  });
}

/** A value that the types forbid. */
function wrong<Value>(value: unknown): Value {
  return value as Value;
}

/** Calls that are given something of the wrong kind, and the field that their error names, with the rule. */
const MISTAKES: readonly (readonly [names: string, call: () => unknown])[] = [
  ["backend: it must be a storage backend, got undefined", () => new MessageCoordinator(wrong(undefined))],
  [
    "namespace: it must be a string or an array of strings",
    () => new MessageCoordinator(backend, { namespace: wrong(5) }),
  ],
  [
    "namespace: it must be a string or an array of strings",
    () => new AgentRegistry(backend, { namespace: wrong([5]) }),
  ],
  ["namespace: it must be a string or an array of strings", () => new CircuitBreaker({ namespace: wrong(5) })],
  ["clock: it must be a clock", () => new CompositeBackend({ default: backend, clock: wrong({}) })],
  ["routes: it must be an array", () => new CompositeBackend({ default: backend, routes: wrong({}) })],
  ["the options of the default: they must be an object", () => new CompositeBackend(wrong({}))],
  ["backend: it must be a storage backend", () => new CompositeBackend({ default: wrong({}) })],
  ["the key: it must be an array", () => new CompositeBackend({ default: backend, routes: [wrong({ backend })] })],
  ["fallback: it must be a storage backend", () => withFallback({ fallback: undefined })],
  ["the options of a fallback", () => new CompositeBackend({ default: { backend, fallback: wrong("memory") } })],
  ["queues: it must be true or false", () => withFallback({ queues: "all" })],
  ["maxJournal: it must be a number", () => withFallback({ maxJournal: "10" })],
  ["metrics: it must be metrics", () => new MessageCoordinator(backend, { metrics: wrong(5) })],
  ["clock: it must be a clock with now() and setTimer()", () => new MessageCoordinator(backend, { clock: wrong({}) })],
  ["clock: it must be a clock with now() and setTimer()", () => new CircuitBreaker({ clock: wrong({}) })],
  ["signal: it must be an AbortSignal, got string", () => coordinator.receive(AGENT, { signal: wrong("x") })],
  ["recipients: it must be an array", () => coordinator.broadcastMessage(AGENT, message, { recipients: wrong("x") })],
  ["subscription.agentId: it must be an agent id", () => coordinator.unsubscribe(wrong({}))],
  ["also: it must be a batch", () => coordinator.ack(AGENT, TOKEN, { also: wrong(5) })],
  ["where: it must be a function", () => coordinator.redrive(AGENT, { where: wrong(5) })],
  ["agentId: it must be an agent id", () => serveAgent(coordinator, wrong(undefined))],
  ["process: it must be a function", () => serveAgent(coordinator, wrong({ agentId: AGENT }))],
  [
    "concurrency: it belongs to the options, the third argument",
    () => serveAgent(coordinator, wrong({ ...proxy, concurrency: 4 })),
  ],
  ["onError: it must be a function", () => serveAgent(coordinator, proxy, { onError: wrong(5) })],
  ["fn: it must be a function", () => new CircuitBreaker().call(wrong<() => unknown>(5))],
  ["fn: it must be a function", () => new CircuitBreaker().execute(wrong<() => unknown>(5))],
  ["fn: it must be a function", () => new CircuitBreaker().tryCall(wrong<() => unknown>(5))],
  ["isFailure: it must be a function", () => new CircuitBreaker({ isFailure: wrong(5) })],
  ["strict: it must be true or false, got string", () => new CircuitBreaker({ strict: wrong("no") })],
  ["reason: it must be a string", () => new CircuitBreaker().isolate(wrong(5))],
  ["listener: it must be a function", () => new CircuitBreaker().on("transition", wrong(5))],
  ["listener: it must be a function", () => registry.on("lost", wrong(5))],
  ["type: it must be one of transition, success", () => new CircuitBreaker().on(wrong<"success">(10n), () => {})],
  ["type: it must be one of lost, rejoined", () => registry.on(wrong<"lost">(10n), () => {})],
  ["type: it must be one of lost, rejoined", () => registry.on(wrong<"lost">("toString"), () => {})],
  ["the options of MessageCoordinator: they must be an object", () => new MessageCoordinator(backend, wrong(null))],
  ["the options of configure(): they must be an object", () => coordinator.configure(wrong(undefined))],
  ["the options of receive(): they must be an object, got an array", () => coordinator.receive(AGENT, wrong([]))],
  ["delayMs: it must be a number", () => coordinator.broadcastMessage(AGENT, message, { delayMs: wrong("5") })],
  ["topics: it must be an array", () => coordinator.subscribeToMessages(AGENT, ["event"], { topics: wrong(null) })],
  ["agent: it must be an agent id", () => Array.fromAsync(coordinator.subscriptions(wrong(null)))],
  ["agent: it must be an agent id", () => coordinator.openInbox(wrong(undefined))],
  [
    "waitMs: it must be a number",
    () => coordinator.openInbox(AGENT).take({ leaseMs: 1, limit: 1, waitMs: wrong(undefined) }),
  ],
  ["also: it must be a batch", () => coordinator.ack(AGENT, TOKEN, { also: new Array(1) })],
  ["failure: it must be one of transient", () => coordinator.nack(AGENT, TOKEN, { failure: wrong(Symbol()) })],
  ["delayMs: it must be a number, got null", () => coordinator.nack(AGENT, TOKEN, { delayMs: wrong(null) })],
  ["visibilityTimeoutMs: it must be a number", () => coordinator.extend(AGENT, TOKEN, wrong(null))],
  ["ids[1]: it must be a string", () => coordinator.purge(AGENT, { ids: ["message-1", wrong(5)] })],
  ["ids[0]: it must be a string", () => coordinator.redrive(AGENT, { ids: new Array(1) })],
  ["request.sender: it must be an agent id", () => coordinator.prepareReply(wrong(undefined), {})],
  ["coordinator: it must be a MessageCoordinator", () => serveAgent(wrong(backend), proxy)],
  ["agent.metadata: it must be a JSON object", () => registry.register(wrong({ id: AGENT, metadata: [] }))],
  ["source: it must be a memory source", () => new Memory(wrong({}))],
  ["test: it must be a function", () => backendConformance(wrong({}))],
  ["callback: it must be a function", () => new ManualClock().setTimer(wrong(5), 1)],
  ["startMs: it must be a number", () => new ManualClock(wrong("x"))],
  ["ms: it must be a number", () => new ManualClock().jump(wrong("x"))],
  ["reply.payload: it must be a JSON object", () => coordinator.prepareReply(REQUEST, wrong(5))],
  ["wake: it must be a function", () => backend.listen(["topic"], wrong(5))],
  ["spent: it must be a number", () => new RetryBudget().succeed(wrong("5"))],
  ["word: it must be a string", () => porterStem(wrong(null))],
  ["fn: it must be a function", () => retryWithBackoff(wrong(5))],
  ["shouldRetry: it must be a function", () => retryWithBackoff(WORK, { shouldRetry: wrong(5) })],
  ["budget: it must be a retry budget", () => retryWithBackoff(WORK, { budget: wrong({}) })],
  ["backend: it must be a storage backend", () => new SharedRetryBudget(wrong({ name: "service" }))],
  ["agent.exportState: it must be a function", () => registry.register(wrong({ id: AGENT, exportState: 5 }))],
  ["type: it must be a string", () => registry.watch({ type: wrong(5) })],
  ["rejoin: it must be true or false", () => new AgentRegistry(backend, { rejoin: wrong("no") })],
];

for (const [index, [names, call]] of MISTAKES.entries()) {
  Deno.test(`what is of the wrong kind is refused: ${names} (${index})`, async () => {
    await assertRejects(async () => void await call(), TypeError, `Cannot use ${names}`);
    assertEquals([await coordinator.stats(), await backend.count([])], [[], 0]);
  });
}

Deno.test("mergeBatches() refuses what is no batch", () => {
  assertThrows(() => mergeBatches({ operations: [] }, wrong(undefined)), TypeError, "operations must be an array");
});

Deno.test("stop() refuses an option that it does not know, and the server goes on", async () => {
  await using server = serveAgent(coordinator, proxy);
  await assertRejects(() => server.stop(MISSPELT), TypeError, "Cannot use delayMS: stop() takes only timeoutMs");
  const { payload } = await coordinator.request(AGENT, {});
  assertEquals(payload, {});
});

Deno.test("options that are no object are refused by the name of what takes them", async () => {
  const none: object = JSON.parse("null");
  await assertRejects(() => coordinator.sendMessage(AGENT, AGENT, message, none), TypeError, "options of a send");
  assertEquals(await coordinator.stats(), []);
});

Deno.test("CompositeBackend refuses a number out of its range", () => {
  const wrong: readonly (readonly [names: string, make: () => unknown])[] = [
    ["maxJournal", () => withFallback({ maxJournal: 0 })],
    ["probeIntervalMs", () => withFallback({ probeIntervalMs: 0 })],
    ["maxAgeMs", () => new CompositeBackend({ default: { backend, cache: { maxAgeMs: -1 } } })],
    ["maxEntries", () => new CompositeBackend({ default: { backend, cache: { maxEntries: Infinity } } })],
  ];
  for (const [names, make] of wrong) assertThrows(make, RangeError, `Cannot use ${names}: it must be`);
});
