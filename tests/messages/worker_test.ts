/** What a server of a mailbox does about outages, lost leases, aborts and odd handlers. @module */

import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { BackendUnavailableError, LeaseLostError, RequestFailedError } from "../../src/errors.ts";
import { MessageCoordinator } from "../../src/messages/coordinator.ts";
import { Handling } from "../../src/messages/handling.ts";
import type { AgentMessage, QueueMessage } from "../../src/messages/model.ts";
import { type AgentProxy, serveAgent, type ServeOptions } from "../../src/messages/worker.ts";
import { CircuitBreakerOpenError } from "../../src/resilience/breaker_error.ts";
import type { Batch, StorageBackend } from "../../src/storage/backend.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { standIn, turn } from "../storage/stand_in.ts";

const AGENT = { type: "worker" };
const SENDER = { type: "sender" };
const away = () => Promise.reject(new BackendUnavailableError("away"));
const proxy = (process: AgentProxy["process"]): AgentProxy => ({ agentId: AGENT, process });

/** A mailbox on a backend whose methods the test may replace, and whoever serves it. */
function serve(process: AgentProxy["process"], options: Omit<ServeOptions, "onError"> = {}) {
  const clock = new ManualClock();
  const memory = new MemoryBackend({ clock });
  const methods: Partial<StorageBackend> = {};
  const coordinator = new MessageCoordinator(standIn(memory, methods), { clock, retryAttempts: 0 });
  const errors: unknown[] = [];
  const server = serveAgent(coordinator, proxy(process), { ...options, onError: (error) => errors.push(error) });
  return { clock, memory, methods, coordinator, errors, server };
}

Deno.test("serveAgent() refuses what is no handler, naming the field", async () => {
  await using backend = new MemoryBackend();
  const odd = { agentId: AGENT, process: 5 } as unknown as AgentProxy;
  assertThrows(
    () => serveAgent(new MessageCoordinator(backend), odd),
    TypeError,
    "Cannot use process: it must be a function",
  );
});

Deno.test("serveAgent() takes an agent of a class, whatever else that holds", async () => {
  const worker = new class {
    readonly agentId = AGENT;
    readonly concurrency = "high"; // its own affair
    process = () => ({ done: true });
  }();
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  await using _server = serveAgent(coordinator, worker);
  assertEquals((await coordinator.request(AGENT, {})).payload, { done: true });
});

Deno.test("serveAgent() takes nothing when its signal was aborted before", async () => {
  const { memory, coordinator, server } = serve(() => assert(false), { signal: AbortSignal.abort() });
  await coordinator.sendMessage(SENDER, AGENT, { payload: {} });
  await server.finished;
  assertEquals((await coordinator.stats(AGENT)).ready, 1);
  await memory.close();
});

Deno.test("serveAgent() stops when its signal is aborted", async () => {
  const stopping = new AbortController();
  const { memory, server, clock } = serve(() => {}, { signal: stopping.signal });
  await turn();
  stopping.abort();
  await server.finished;
  assertEquals(clock.timers, 0);
  await memory.close();
});

Deno.test("serveAgent() goes on after an outage of its claims, and tells of each once", async () => {
  const handled: unknown[] = [];
  const { clock, memory, methods, coordinator, errors, server } = serve(({ payload }) => void handled.push(payload.n));
  for (const outage of [1, 2]) {
    methods.claim = away;
    await clock.advance(5000);
    assertEquals(errors.length, outage);
    assertInstanceOf(errors.at(-1), BackendUnavailableError);
    delete methods.claim;
    await coordinator.sendMessage(SENDER, AGENT, { payload: { n: outage } });
    await clock.advance(1000);
  }
  assertEquals(handled, [1, 2]);
  await server.stop();
  await memory.close();
});

Deno.test("serveAgent() goes on when what it has claimed cannot be given up, and tells of it", async () => {
  const handled: unknown[] = [];
  const { clock, memory, methods, coordinator, errors, server } = serve(({ payload }) => void handled.push(payload.n));
  methods.claim = () => Promise.resolve([{ ...DELIVERY, value: { v: 99 } }]); // accepting it writes
  methods.commit = away;
  await clock.advance(1000);
  assert(errors.length > 0 && errors.every((error) => error instanceof BackendUnavailableError));
  delete methods.claim;
  delete methods.commit;
  await coordinator.sendMessage(SENDER, AGENT, { payload: { n: 1 } });
  await clock.advance(1000);
  assertEquals(handled, [1]);
  await server.stop();
  await memory.close();
});

Deno.test("serveAgent() ends an outage's wait when it is stopped", async () => {
  const { clock, memory, methods, server } = serve(() => {});
  methods.claim = () => Promise.resolve([{ ...DELIVERY, value: { v: 99 } }]);
  methods.commit = away;
  await clock.advance(1);
  await server.stop();
  assertEquals(clock.timers, 0);
  await memory.close();
});

Deno.test("serveAgent() ends when it cannot go on, and says why in finished and to onError", async () => {
  const { clock, memory, methods, errors, server } = serve(() => {});
  const fault = new Error("a fault");
  methods.claim = () => Promise.reject(fault);
  await clock.advance(2000);
  await assertRejects(() => server.finished, Error, "a fault");
  assertEquals(errors, [fault]);
  await memory.close();
});

Deno.test("serveAgent() tells of a settling that met an outage, and the message comes again after its lease", async () => {
  let handled = 0;
  const { clock, memory, methods, coordinator, errors, server } = serve(() => {
    handled++;
    methods.commit = away;
  });
  coordinator.configure({ retryAttempts: 1 });
  await coordinator.sendMessage(SENDER, AGENT, { payload: {} });
  await clock.advance(10);
  assertEquals(handled, 1);
  assertInstanceOf(errors[0], BackendUnavailableError);
  delete methods.commit;
  await clock.advance(7000);
  assertEquals(handled, 2);
  delete methods.commit;
  await server.stop();
  await memory.close();
});

Deno.test("serveAgent() gives a message back when what was to happen with its acknowledgement cannot be", async () => {
  const key = ["a", "record"];
  const conflict: Batch = { checks: [{ key, version: "none such" }], operations: [] };
  const { clock, memory, coordinator, errors, server } = serve((_message, { also }) => also(conflict));
  await coordinator.sendMessage(SENDER, AGENT, { payload: {} });
  await clock.advance(10);
  assertEquals(errors.length, 1);
  const [dead] = await Array.fromAsync(coordinator.deadLetters(AGENT));
  assert(dead?.lastError?.includes("Cannot acknowledge"), dead?.lastError);
  await server.stop();
  await memory.close();
});

Deno.test("serveAgent() tells of a lease that was lost before the acknowledgement, and does not give the message back", async () => {
  const { clock, memory, coordinator, errors, server } = serve(async ({ messageId }) => {
    await coordinator.purge(AGENT, { ids: [messageId] });
  });
  await coordinator.sendMessage(SENDER, AGENT, { payload: {} });
  await clock.advance(10);
  assertEquals(errors.map((error) => error instanceof LeaseLostError), [true]);
  await server.stop();
  await memory.close();
});

Deno.test("serveAgent() gives a message back with what was thrown, also when that is no error", async () => {
  const { clock, memory, coordinator, server } = serve(() => {
    throw "a string"; // deno-lint-ignore no-throw-literal -- handlers do
  });
  await coordinator.sendMessage(SENDER, AGENT, { payload: {} });
  await clock.advance(10);
  const [dead] = await Array.fromAsync(coordinator.deadLetters(AGENT));
  assertEquals(dead?.lastError, "a string");
  await server.stop();
  await memory.close();
});

Deno.test("serveAgent() gives a message back at once, and answers its request, whatever odd thing was thrown", async () => {
  const odd: unknown[] = [
    Object.create(null),
    { toString: () => assert(false) },
    Object.defineProperty(new Error(), "message", { value: { an: "object" } }),
    { message: "of another realm" },
    new Error("x".repeat(20_000_000)),
    new Error("lone \ud800 and \0"),
    Symbol("thrown"),
    undefined,
  ];
  const { clock, memory, coordinator, server } = serve(({ payload }) => {
    throw odd[Number(payload.n)];
  });
  const replies = odd.map((_, n) => coordinator.request(AGENT, { n }).catch((error) => error));
  await clock.advance(10);
  const texts = await Array.fromAsync(coordinator.deadLetters(AGENT), ({ lastError }) => lastError);
  assertEquals([texts.length, texts[0], texts[3]], [odd.length, "what was thrown has no text", "of another realm"]);
  for (const reply of replies) {
    const error = await reply;
    assertInstanceOf(error, RequestFailedError);
    assert(error.message.length < 5000); // an engine takes no more than so much
  }
  await server.stop();
  await memory.close();
});

Deno.test("serveAgent() tries again when the error asks for it, not before, and after backoffMaxMs at the latest", async () => {
  const asks: unknown[] = [
    new CircuitBreakerOpenError("model", "open", 5000),
    { headers: { "retry-after": "7" } },
    new CircuitBreakerOpenError("model", "isolated", Infinity),
    { retryAfterMs: 1 },
  ];
  const begunAtMs: number[] = [];
  const { clock, memory, coordinator, server } = serve(() => {
    begunAtMs.push(clock.monotonic());
    throw asks[begunAtMs.length - 1];
  });
  coordinator.configure({ retryAttempts: 4, backoffMaxMs: 10_000 });
  await coordinator.sendMessage(SENDER, AGENT, {});
  await clock.advance(60_000);
  assertEquals(begunAtMs.map((ms, index) => Math.floor((ms - (begunAtMs[index - 1] ?? ms)) / 1000)), [0, 5, 7, 10, 8]);
  await server.stop();
  await memory.close();
});

Deno.test("serveAgent() answers a request whose handler returns nothing with an empty payload", async () => {
  const { clock, memory, coordinator, server } = serve(() => {});
  const reply = coordinator.request(AGENT, {});
  await clock.advance(2000);
  assertEquals((await reply).payload, {});
  await server.stop();
  await memory.close();
});

Deno.test("serveAgent() limits the time of a handler that returns a promise of another kind", async () => {
  const silent: PromiseLike<void> = { then: () => new Promise(() => {}) };
  const { clock, memory, coordinator, errors, server } = serve(() => silent, { timeoutMs: 100 });
  await coordinator.sendMessage(SENDER, AGENT, {});
  await clock.advance(200);
  assertEquals(errors.length, 1);
  await server.stop();
  await memory.close();
});

Deno.test("Handling.signal is aborted with the first reason, whether it is taken before or after", () => {
  const handling = new Handling(QUEUED, 1);
  const { signal } = handling;
  handling.abort("first");
  handling.abort("second");
  assertEquals([signal.aborted, signal.reason, handling.signal === signal], [true, "first", true]);
  const late = new Handling(QUEUED, 1);
  late.abort("early");
  assertEquals([late.signal.aborted, late.signal.reason], [true, "early"]);
});

Deno.test("Handling.run() rejects with the reason when it was aborted while the handler began", async () => {
  const handling = new Handling(QUEUED, 1);
  const begins = proxy(() => {
    handling.abort(new Error("at once"));
    return new Promise(() => {});
  });
  await assertRejects(async () => void await handling.run(begins, MESSAGE), Error, "at once");
});

const DELIVERY = {
  queue: ["ao", "mailbox", "worker", "default"],
  id: "123456",
  token: "t",
  priority: 5,
  attempt: 1,
  maxAttempts: 1,
  enqueuedAtMs: 0,
  leaseExpiresAtMs: 0,
};
const MESSAGE: AgentMessage = {
  messageId: "123456",
  sender: SENDER,
  recipient: AGENT,
  messageType: "event",
  payload: {},
  priority: 5,
  routing: {},
  timestamp: "2030-01-01T00:00:00.000Z",
  correlationId: undefined,
  replyTo: undefined,
  trace: undefined,
};
const QUEUED: QueueMessage = { message: MESSAGE, priority: 5, enqueuedAt: MESSAGE.timestamp, deliveryAttempts: 0 };
