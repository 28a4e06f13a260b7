/** Tests of the metrics of the circuit breaker, the retries and the agent registry. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { MemoryBackend } from "../../backends/memory.ts";
import { AgentRegistry } from "../../src/agents/registry.ts";
import { CircuitBreaker } from "../../src/resilience/circuit_breaker.ts";
import { retryWithBackoff } from "../../src/resilience/retry.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { recording } from "./recorder.ts";

Deno.test("a circuit breaker counts transitions, failures and rejections by its name", async () => {
  await recording(async ({ points }) => {
    const clock = new ManualClock();
    await using breaker = new CircuitBreaker({ name: "model", failureThreshold: 2, successThreshold: 1, clock });
    const fail = () => Promise.reject(new TypeError("no"));
    for (let tries = 0; tries < 5; tries++) await breaker.tryCall(fail);
    await clock.advance(60_000);
    await breaker.tryCall(() => "yes");
    const name = { "tta.circuit_breaker.name": "model" };
    assertEquals(await points("tta.circuit_breaker.failures"), [
      { attributes: { ...name, "error.type": "TypeError" }, value: 2 },
    ]);
    assertEquals(await points("tta.circuit_breaker.rejections"), [
      { attributes: { ...name, "tta.circuit_breaker.state": "open" }, value: 3 },
    ]);
    const transitions = (await points("tta.circuit_breaker.transitions")).map(({ attributes }) => [
      attributes["tta.circuit_breaker.state.from"],
      attributes["tta.circuit_breaker.state"],
    ]);
    assertEquals(transitions, [["closed", "open"], ["open", "half_open"], ["half_open", "closed"]]);
  });
});

Deno.test("a transition that the fleet shares is counted once, by the process that made it", async () => {
  await recording(async ({ points }) => {
    const clock = new ManualClock();
    await using backend = new MemoryBackend({ clock });
    await using first = new CircuitBreaker({ backend, failureThreshold: 1, clock });
    await using second = new CircuitBreaker({ backend, failureThreshold: 1, clock });
    await second.tryCall(() => "yes");
    await first.tryCall(() => Promise.reject(new Error("no")));
    await clock.advance(1000);
    assertEquals([first.getState(), second.getState()], ["open", "open"]);
    assertEquals((await points("tta.circuit_breaker.transitions")).map(({ value }) => value), [1]);
  });
});

Deno.test("retries are counted with their delays, and what was given up after them", async () => {
  await recording(async ({ points }) => {
    const never = () => Promise.reject(Object.assign(new Error("connection reset"), { code: "ECONNRESET" }));
    const config = { maxRetries: 3, baseDelayMs: 1, jitter: "none" } as const;
    await assertRejects(() => retryWithBackoff(never, config));
    await assertRejects(() => retryWithBackoff(never, { ...config, maxRetries: 0 }));
    const attributes = { "error.type": "ECONNRESET" };
    assertEquals(await points("tta.retry.retries"), [{ attributes, value: 3 }]);
    assertEquals(await points("tta.retry.delay"), [{ attributes, value: 3 }]);
    assertEquals(await points("tta.retry.exhausted"), [{ attributes, value: 1 }]);
  });
});

Deno.test("the registry counts its agents, its heartbeats, and the deaths that it was the first to notice", async () => {
  await recording(async ({ points }) => {
    const clock = new ManualClock();
    await using backend = new MemoryBackend({ clock });
    await using first = new AgentRegistry(backend, { clock });
    await using second = new AgentRegistry(backend, { clock });
    await using third = new AgentRegistry(backend, { clock });
    await third.register({ id: { type: "writer" } });
    await first.register({ id: { type: "writer", instance: "ada" } });
    await first.register({ id: { type: "writer", instance: "ada" } });
    await first.register({ id: { type: "editor" } });
    await first.deregister({ type: "editor" });
    await Promise.all([first.startHeartbeats(), second.startHeartbeats()]);
    await clock.advance(60_000);
    assertEquals(await points("tta.agent.deaths"), [{ attributes: { "tta.agent.type": "writer" }, value: 1 }]);
    const registered = (await points("tta.agent.registered")).map(({ attributes, value }) => [
      attributes["tta.agent.type"],
      value,
    ]);
    assertEquals(registered, [["writer", 2], ["editor", 0]], "nobody has told the third process of its death");
    const [heartbeats] = await points("tta.agent.heartbeat.duration");
    assertEquals(heartbeats, { attributes: {}, value: 14 });
  });
});
