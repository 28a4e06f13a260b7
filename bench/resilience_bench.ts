/**
 * Breakers and retries: `deno task bench`. What needs no store is measured alone; a trip and its recovery on every
 * backend.
 *
 * @module
 */

import { systemClock } from "../src/clock.ts";
import { CircuitBreaker } from "../src/resilience/circuit_breaker.ts";
import { retryWithBackoff } from "../src/resilience/retry.ts";
import { MemoryBackend } from "../backends/memory.ts";
import { backends } from "./backends.ts";

const work = () => Promise.resolve(1);
const failing = () => Promise.reject(new Error("down"));
const HOUR_MS = 3_600_000;

const local = new CircuitBreaker();
const byRate = new CircuitBreaker({ failureRate: { threshold: 0.5, windowMs: 10_000 } });
const shared = new CircuitBreaker({ backend: new MemoryBackend() });
const open = new CircuitBreaker({ failureThreshold: 1, openMs: HOUR_MS });
await open.tryCall(failing);

Deno.bench({ group: "closed call", name: "no breaker", baseline: true, fn: async () => void await work() });
Deno.bench({ group: "closed call", name: "breaker", fn: async () => void await local.call(work) });
Deno.bench({ group: "closed call", name: "breaker by rate", fn: async () => void await byRate.call(work) });
Deno.bench({ group: "closed call", name: "shared breaker", fn: async () => void await shared.call(work) });
Deno.bench({ group: "closed call", name: "retryWithBackoff", fn: async () => void await retryWithBackoff(work) });

Deno.bench({ group: "rejection", name: "tryCall", baseline: true, fn: async () => void await open.tryCall(work) });
Deno.bench({ group: "rejection", name: "call", fn: async () => void await open.call(work).catch(() => {}) });

for (const { name, open } of backends) {
  const { backend, remove } = await open();
  addEventListener("unload", remove);
  let aheadMs = 0;
  const clock = { now: () => systemClock.now() + aheadMs, setTimer: systemClock.setTimer };
  const rules = { failureThreshold: 1, halfOpenMaxCalls: 1, successThreshold: 1, openMs: HOUR_MS };
  const breaker = new CircuitBreaker({ backend, clock, ...rules });
  Deno.bench({
    group: "trip and recover",
    name,
    fn: async () => {
      await breaker.tryCall(failing);
      aheadMs += HOUR_MS;
      const { status } = await breaker.tryCall(work);
      if (status !== "success") throw new Error(`Cannot measure: the probe was ${status}`);
    },
  });
}
