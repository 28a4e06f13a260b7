/** What a coordinator does about what seldom happens: failing mailboxes, tokens, unknown formats. @module */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { AgentRegistry } from "../../src/agents/registry.ts";
import type { RegistryAgent } from "../../src/agents/model.ts";
import { BackendUnavailableError, OutcomeUnknownError } from "../../src/errors.ts";
import { MessageCoordinator } from "../../src/messages/coordinator.ts";
import type { AgentId, FailureType, MessageSubscription } from "../../src/messages/model.ts";
import type { EnqueueOperation } from "../../src/storage/backend.ts";
import type { JsonObject } from "../../src/storage/json.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { standIn } from "../storage/stand_in.ts";

const SENDER = { type: "sender" };
const AGENT = { type: "worker", instance: "w" };

Deno.test("broadcastMessage() tells why each recipient did not get it, and gives it to the others", async () => {
  await using memory = new MemoryBackend();
  const failures = new Map<string, unknown>([
    ["gone", new BackendUnavailableError("away")],
    ["lost", new OutcomeUnknownError("no answer")],
    ["broken", new Error("a fault")],
    ["odd", "a string"],
  ]);
  const backend = standIn(memory, {
    commit: (batch) => {
      const [operation] = batch.operations;
      const type = operation && "queue" in operation ? operation.queue.at(-2) ?? "" : "";
      return failures.has(type) ? Promise.reject(failures.get(type)) : memory.commit(batch);
    },
  });
  const coordinator = new MessageCoordinator(backend);
  const recipients = [...failures.keys(), "well"].map((type) => ({ type }));
  const results = await coordinator.broadcastMessage(SENDER, { payload: {} }, recipients);
  assertEquals(results.map(({ delivered, error }) => [delivered, error?.code, error?.message]), [
    [false, "backend_unavailable", "away"],
    [false, "outcome_unknown", "no answer"],
    [false, "failed", "a fault"],
    [false, "failed", "a string"],
    [true, undefined, undefined],
  ]);
  assertEquals(new Set(results.map(({ messageId }) => messageId)).size, 1);
});

Deno.test("subscriptions() lists those of one agent or of all, and passes over what has an unknown format", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  const own = await coordinator.subscribeToMessages(AGENT, ["event"], { topics: ["a"] });
  const other = await coordinator.subscribeToMessages({ type: "other" }, ["request"]);
  const [stored] = await Array.fromAsync(backend.list(["ao"]));
  assert(stored);
  for (const value of [null, "text", { v: 2 }, { v: 1 }]) {
    const key = [...stored.key.slice(0, -1), JSON.stringify(value)];
    await backend.commit({ operations: [{ type: "set", key, value }] });
  }
  const [listed, ...more] = await Array.fromAsync(coordinator.subscriptions(AGENT));
  assertEquals([listed?.subscriptionId, listed?.agentId, listed?.topics], [own.subscriptionId, AGENT, ["a"]]);
  assertEquals(more, []);
  const all = await Array.fromAsync(coordinator.subscriptions());
  assertEquals(
    all.map(({ subscriptionId }) => subscriptionId).toSorted(),
    [
      own.subscriptionId,
      other.subscriptionId,
    ].toSorted(),
  );
  assertEquals([await coordinator.unsubscribe(own), await coordinator.unsubscribe(own)], [true, false]);
});

Deno.test("subscribeToMessages() gives back the types and topics in the order in which they were named, each once", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  const given = await coordinator.subscribeToMessages(AGENT, ["request", "event", "request"], {
    topics: ["z", "a", "z"],
  });
  assertEquals([given.messageTypes, given.topics], [["request", "event"], ["z", "a"]]);
  assertEquals(await Array.fromAsync(coordinator.subscriptions(AGENT)).then((all) => all.map(({ topics }) => topics)), [
    ["z", "a"],
  ]);
  const again = await coordinator.subscribeToMessages(AGENT, ["event", "request"], { topics: ["a", "z"] });
  assertEquals(again.subscriptionId, given.subscriptionId);
  assertEquals((await Array.fromAsync(coordinator.subscriptions(AGENT))).length, 1);
});

Deno.test("ack(), nack() and extend() settle a delivery by its token, from any coordinator", async () => {
  const clock = new ManualClock();
  await using backend = new MemoryBackend({ clock });
  const [first, second] = [new MessageCoordinator(backend, { clock }), new MessageCoordinator(backend, { clock })];
  await first.sendMessage(SENDER, AGENT, { payload: {} });
  const received = await first.receive(AGENT, { visibilityTimeoutMs: 1000 });
  assert(received);
  assertEquals(await second.extend(AGENT, received.token, 5000), true);
  await clock.advance(2000);
  assertEquals(await second.nack(AGENT, received.token, { delayMs: 0, error: "not yet" }), true);
  assertEquals(await second.nack(AGENT, received.token), false);
  assertEquals(await second.extend(AGENT, received.token), false);
  const again = await first.receive(AGENT);
  assertEquals([again?.attempt, again?.queueMessage.lastError], [2, "not yet"]);
  assertEquals(await second.ack(AGENT, again?.token ?? ""), true);
  assertThrows(() => new MessageCoordinator(backend, { queueSize: 0 }), RangeError, "queueSize");
});

Deno.test("ack(), nack() and extend() tell false of a token that nobody ever held, and refuse what is no string", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  await coordinator.sendMessage(SENDER, AGENT, { messageId: "a message", payload: {} });
  await coordinator.receive(AGENT);
  const long = "x".repeat(300);
  const tokens = [
    "",
    "none",
    "x~1~a message",
    `${long}~1~x`,
    `x~1~${long}`,
    "x~0~a",
    `x~${"9".repeat(30)}~a`,
    "x~1~\ud800",
  ];
  for (const token of tokens) {
    assertEquals(await coordinator.ack(AGENT, token), false, token);
    assertEquals(await coordinator.nack(AGENT, token), false, token);
    assertEquals(await coordinator.extend(AGENT, token), false, token);
  }
  assertEquals((await coordinator.stats(AGENT)).leased, 1);
  const none = undefined as unknown as string;
  await assertRejects(() => coordinator.ack(AGENT, none), TypeError, "Cannot use token: it must be a string");
});

Deno.test("nack() refuses a failure that there is not, and the message stays leased", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  await coordinator.sendMessage(SENDER, AGENT, { payload: {} });
  const received = await coordinator.receive(AGENT);
  const failure = "weird" as FailureType;
  await assertRejects(
    async () => await received?.nack({ failure }),
    TypeError,
    "Cannot use failure: it must be one of transient, permanent, timeout, got weird",
  );
  assertEquals((await coordinator.stats(AGENT)).leased, 1);
});

Deno.test("prepareReply() makes the reply of a request, and of nothing else", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  const reply = coordinator.request(AGENT, { n: 1 });
  const received = await coordinator.receive(AGENT, { waitMs: 1000 });
  assert(received);
  const also = coordinator.prepareReply(received.message, { n: 2 });
  assertEquals(await received.ack({ also }), true);
  assertEquals((await reply).payload, { n: 2 });
  await coordinator.sendMessage(SENDER, AGENT, { payload: {} });
  const event = await coordinator.receive(AGENT);
  assert(event);
  assertThrows(() => coordinator.prepareReply(event.message, {}), TypeError, "not a request that awaits a reply");
});

Deno.test("configure() leaves settings that are undefined as they are, and refuses what is none", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend, { retryAttempts: 7 });
  const undefinedSetting: object = { retryAttempts: undefined, queueSize: 5 };
  coordinator.configure(undefinedSetting);
  assertEquals([coordinator.configuration.retryAttempts, coordinator.configuration.queueSize], [7, 5]);
  const misspelt: object = { retryAttempt: 1 };
  assertThrows(() => coordinator.configure(misspelt), TypeError, "Cannot use retryAttempt: there is no such setting");
});

Deno.test("sendMessage() refuses what is no agent and no message, naming the field", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  const nobody = undefined as unknown as AgentId;
  await assertRejects(() => coordinator.sendMessage(nobody, AGENT, {}), TypeError, "Cannot use sender");
  const extra: object = { payload: {}, colour: "red" };
  await assertRejects(() => coordinator.sendMessage(SENDER, AGENT, extra), TypeError, "must not have colour");
});

Deno.test("sendMessage() carries the topic of a message, its tags, or both", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  for (const routing of [{ topic: "t" }, { tags: ["a"] }, { topic: "t", tags: ["a"] }, {}]) {
    await coordinator.sendMessage(SENDER, AGENT, { payload: {}, routing });
    const received = await coordinator.receive(AGENT);
    assertEquals(received?.message.routing, routing);
    await received?.ack();
  }
});

Deno.test("receive() gives up what has an unknown format, and goes on to what stands behind it", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  const odd = { ...coordinator.prepareSend(SENDER, AGENT, { priority: 9 }).operations[0], value: { v: 99 } };
  for (const options of [{}, { waitMs: 1000 }]) {
    for (const id of ["first", "second"]) {
      await backend.commit({ operations: [{ ...odd, id: `${id} ${options.waitMs}` } as EnqueueOperation] });
    }
    await coordinator.sendMessage(SENDER, AGENT, { payload: { n: 1 } });
    assertEquals((await coordinator.receive(AGENT, options))?.message.payload, { n: 1 });
  }
  assertEquals((await coordinator.stats(AGENT)).dead, 4);
  assertEquals(await coordinator.receive(AGENT), null);
});

Deno.test("redrive() takes dead letters by id, by what they hold and up to a limit, the oldest first", async () => {
  const clock = new ManualClock();
  await using backend = new MemoryBackend({ clock });
  const coordinator = new MessageCoordinator(backend, { clock });
  for (const n of [1, 2, 3, 4, 5]) {
    await coordinator.sendMessage(SENDER, AGENT, { messageId: `number-${n}`, payload: { n } });
    await (await coordinator.receive(AGENT))?.nack({ failure: "permanent" });
    await clock.advance(1);
  }
  assertEquals(await coordinator.redrive(AGENT, { limit: 0 }), 0);
  assertEquals(await coordinator.redrive(AGENT, { limit: 1 }), 1);
  assertEquals(await coordinator.redrive(AGENT, { ids: ["number-4", "number-9"] }), 1);
  assertEquals(await coordinator.redrive(AGENT, { where: ({ message }) => message.payload.n === 3 }), 1);
  const back = await coordinator.receive(AGENT, { limit: 10 });
  assertEquals(back.map(({ message }) => message.payload.n), [1, 4, 3]);
  const dead = await Array.fromAsync(coordinator.deadLetters(AGENT));
  assertEquals(dead.map(({ message }) => message.payload.n), [2, 5]);
  assertEquals(await coordinator.purge(AGENT, { ids: ["number-5", "number-1"], states: ["dead"] }), 1);
  assertEquals(await coordinator.purge(AGENT, { ids: ["number-1"] }), 1);
});

Deno.test("deadLetters() passes over what has an unknown format, and redrive() puts it back unless asked what it holds", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  await coordinator.sendMessage(SENDER, AGENT, { payload: {} });
  const [queue] = await Array.fromAsync(backend.queues());
  assert(queue);
  const limits = { priority: 5, maxAttempts: 1, dedupeMs: 0, capacity: 10 };
  await coordinator.purge(AGENT);
  await backend.commit({ operations: [{ type: "enqueue", queue, id: "newer", value: { v: 99 }, ...limits }] });
  assertEquals(await coordinator.receive(AGENT), null);
  assertEquals(await Array.fromAsync(coordinator.deadLetters(AGENT)), []);
  const [dead] = await Array.fromAsync(backend.messages(queue, "dead"));
  assertEquals(dead?.lastError, "the message has an unknown format");
  assertEquals(await coordinator.redrive(AGENT, { where: () => true }), 0);
  assertEquals(await coordinator.redrive(AGENT), 1);
});

Deno.test("broadcastMessage() with a delay is delivered after it, to subscribers and to those who are named", async () => {
  const clock = new ManualClock();
  await using backend = new MemoryBackend({ clock });
  const coordinator = new MessageCoordinator(backend, { clock });
  await coordinator.subscribeToMessages(AGENT, ["event"]);
  await coordinator.broadcastMessage(SENDER, { payload: {} }, { delayMs: 1000 });
  await coordinator.broadcastMessage(SENDER, { payload: {} }, { recipients: [{ type: "named" }], delayMs: 1000 });
  assertEquals([await coordinator.receive(AGENT), await coordinator.receive({ type: "named" })], [null, null]);
  await clock.advance(1000);
  assert(await coordinator.receive(AGENT));
  assert(await coordinator.receive({ type: "named" }));
});

Deno.test("what gives a promise throws nothing before it, but rejects with the field that is wrong", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  const registry = new AgentRegistry(backend);
  const nobody = undefined as unknown as AgentId;
  const calls: readonly (readonly [() => Promise<unknown>, string])[] = [
    [() => coordinator.sendMessage(SENDER, nobody, {}), "recipient"],
    [() => coordinator.request(nobody, {}), "recipient"],
    [() => coordinator.receive(nobody), "agent"],
    [() => coordinator.ack(nobody, ""), "agent"],
    [() => coordinator.subscribeToMessages(nobody, ["event"]), "agent"],
    [() => coordinator.unsubscribe(nobody as unknown as MessageSubscription), "subscription.agentId"],
    [() => coordinator.redrive(nobody), "agent"],
    [() => coordinator.purge(nobody), "agent"],
    [() => registry.register(nobody as unknown as RegistryAgent), "agent.id"],
    [() => registry.get(nobody), "id"],
    [() => registry.discover(""), "type"],
  ];
  for (const [call, field] of calls) {
    const promise = call();
    const error = await promise.catch((error) => error);
    assert(error instanceof Error && error.message.includes(`Cannot use ${field}`), String(error));
  }
  await registry.close();
});

Deno.test("broadcastMessage() sends what it was given, whatever the caller does to it meanwhile", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  await coordinator.subscribeToMessages(AGENT, ["event"]);
  const payload = { chapter: 1 };
  const sent = coordinator.broadcastMessage(AGENT, { payload });
  payload.chapter = 2;
  assertEquals((await sent).map(({ delivered }) => delivered), [true]);
  assertEquals((await coordinator.receive(AGENT))?.message.payload, { chapter: 1 });
});

Deno.test("request() and reply() take an empty payload for none", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  const none = undefined as unknown as JsonObject;
  const asked = coordinator.request(AGENT, none, { timeoutMs: 5000 });
  const request = await coordinator.receive(AGENT, { waitMs: 5000 });
  assertEquals(request?.message.payload, {});
  assert(await request?.reply(none));
  assertEquals((await asked).payload, {});
});

Deno.test("request() sends what it was given to whom it was given, whatever the caller does to it meanwhile", async () => {
  await using backend = new MemoryBackend();
  const coordinator = new MessageCoordinator(backend);
  const given = { recipient: { type: "worker" }, payload: { chapter: 1 } };
  const asked = new AbortController();
  const request = coordinator.request(given.recipient, given.payload, { signal: asked.signal });
  given.recipient.type = "nobody";
  given.payload.chapter = 2;
  const received = await coordinator.receive({ type: "worker" }, { waitMs: 10_000 });
  asked.abort();
  await assertRejects(() => request);
  assertEquals(received?.message.payload, { chapter: 1 });
});
