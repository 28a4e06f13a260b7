/** Calls through circuit breakers, beside cockatiel and opossum; as a program, either side of it. @module */

import { MemoryBackend } from "../../backends/memory.ts";
import { CircuitBreaker } from "../../src/resilience/circuit_breaker.ts";
import { serveRounds } from "./child.mjs";
import { type Comparison, inDeno } from "./comparison.ts";

/**
 * All in this runtime, each with its defaults save for opossum's time limit, which is measured apart: what is called is
 * an async function that does nothing, and its own time is part of each figure. A rejection is what a caller sees of an
 * open breaker: a value of ours, an error of theirs.
 */
export const comparisons: readonly Comparison[] = [
  beside("breaker closed call vs cockatiel", "closed", "cockatiel closed"),
  beside("breaker closed call vs opossum", "closed", "opossum closed"),
  beside("breaker closed call by rate vs cockatiel", "closed by rate", "cockatiel closed by rate"),
  beside("breaker closed call shared vs cockatiel", "closed shared", "cockatiel closed"),
  beside("breaker closed call with time limit vs opossum", "closed with time limit", "opossum closed with time limit"),
  beside("breaker rejection vs cockatiel", "rejection", "cockatiel rejection"),
  beside("breaker rejection vs opossum", "rejection", "opossum rejection"),
  beside("breaker failure in a window of 100,000 calls vs opossum", "failure", "opossum failure"),
];

function beside(name: string, ours: string, peer: string): Comparison {
  const side = (scenario: string) => inDeno(import.meta.url, scenario);
  return { name, unit: "ns/call", better: "lower", ours: side(ours), peer: side(peer) };
}

const CROWD = 100_000;
const HOUR_MS = 3_600_000;
const CALLS_BETWEEN_LOOKS = 100;

const work = () => Promise.resolve(1);
const failing = () => Promise.reject(new Error("down"));
const ignore = () => {};

if (import.meta.main) {
  await serveRounds({
    "closed": (ms) => measure(ms, closedCalls(new CircuitBreaker())),
    "closed by rate": (ms) =>
      measure(ms, closedCalls(new CircuitBreaker({ failureRate: { threshold: 0.5, windowMs: 10_000 } }))),
    "closed shared": (ms) => measure(ms, closedCalls(new CircuitBreaker({ backend: new MemoryBackend() }))),
    "closed with time limit": (ms) => measure(ms, closedCalls(new CircuitBreaker({ callTimeoutMs: 10_000 }))),
    "rejection": async (ms) => {
      const breaker = new CircuitBreaker({ failureThreshold: 1, openMs: HOUR_MS });
      await breaker.tryCall(failing);
      return await measure(ms, () => breaker.tryCall(work));
    },
    "failure": async (ms) => {
      const rate = { threshold: 1, windowMs: HOUR_MS, minimumCalls: 1 };
      const breaker = new CircuitBreaker({ failureRate: rate });
      for (let call = 0; call < CROWD; call++) await breaker.call(work);
      return await measure(ms, () => breaker.call(failing).catch(ignore));
    },
    "cockatiel closed": async (ms) => measure(ms, await cockatiel("consecutive")),
    "cockatiel closed by rate": async (ms) => measure(ms, await cockatiel("sampling")),
    "cockatiel rejection": async (ms) => {
      const call = await cockatiel("consecutive", 1, HOUR_MS);
      await call(failing).catch(ignore);
      return await measure(ms, () => call().catch(ignore));
    },
    "opossum closed": (ms) => opossum({ timeout: false }, (breaker) => measure(ms, () => breaker.fire(work))),
    "opossum closed with time limit": (ms) => opossum({}, (breaker) => measure(ms, () => breaker.fire(work))),
    "opossum rejection": (ms) =>
      opossum({ timeout: false, resetTimeout: HOUR_MS }, async (breaker) => {
        await breaker.fire(failing).catch(ignore);
        return await measure(ms, () => breaker.fire(work).catch(ignore));
      }),
    "opossum failure": (ms) =>
      opossum({ timeout: false, rollingCountTimeout: HOUR_MS, errorThresholdPercentage: 100 }, async (breaker) => {
        for (let call = 0; call < CROWD; call++) await breaker.fire(work);
        return await measure(ms, () => breaker.fire(failing).catch(ignore));
      }),
  });
}

function closedCalls(breaker: CircuitBreaker): () => Promise<unknown> {
  return () => breaker.call(work);
}

/** Calls through one of cockatiel's breakers. */
async function cockatiel(kind: "consecutive" | "sampling", failures = 5, halfOpenAfter = 10_000) {
  const { circuitBreaker, ConsecutiveBreaker, handleAll, SamplingBreaker } = await import("npm:cockatiel@3.2.1");
  const breaker = kind === "consecutive"
    ? new ConsecutiveBreaker(failures)
    : new SamplingBreaker({ threshold: 0.5, duration: 10_000 });
  const policy = circuitBreaker(handleAll, { halfOpenAfter, breaker });
  return (fn: () => Promise<unknown> = work): Promise<unknown> => policy.execute(fn);
}

/** One of opossum's breakers, which holds timers until it is shut down. */
interface Opossum {
  fire(fn: () => Promise<unknown>): Promise<unknown>;
  shutdown(): void;
}

async function opossum(options: object, run: (breaker: Opossum) => Promise<number>): Promise<number> {
  const { default: OpossumBreaker } = await import("npm:opossum@9.0.0");
  const breaker: Opossum = new OpossumBreaker((fn: () => Promise<unknown>) => fn(), options);
  try {
    return await run(breaker);
  } finally {
    breaker.shutdown();
  }
}

/** How long a call takes, one after the other, in nanoseconds. */
async function measure(durationMs: number, call: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  let calls = 0;
  let elapsedMs = 0;
  for (; elapsedMs < durationMs; elapsedMs = performance.now() - startedAt) {
    for (let each = 0; each < CALLS_BETWEEN_LOOKS; each++) await call();
    calls += CALLS_BETWEEN_LOOKS;
  }
  return elapsedMs * 1e6 / calls;
}
