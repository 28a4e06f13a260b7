/** An option that there is not is refused, wherever options are taken, and nothing is done. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { MemoryBackend } from "../backends/memory.ts";
import {
  AgentRegistry,
  CircuitBreaker,
  MessageCoordinator,
  RetryBudget,
  retryWithBackoff,
  serveAgent,
  SharedRetryBudget,
  withRetry,
} from "../mod.ts";

const AGENT = { type: "writer" };
const WORK = () => 1;

/** What no call knows. */
const MISSPELT: object = { delayMS: undefined };

const backend = new MemoryBackend();
const coordinator = new MessageCoordinator(backend);
const registry = new AgentRegistry(backend);
const proxy = { agentId: AGENT, process: () => {} };
const message = { messageId: "message-1", payload: {} };

/** Every call that takes options, with the words by which its error names it. */
const CALLS: readonly (readonly [taker: string, call: () => unknown])[] = [
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
