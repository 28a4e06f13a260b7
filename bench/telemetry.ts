/**
 * What telemetry costs while nobody has registered a provider: `deno run -A bench/telemetry.ts`.
 *
 * The same work in turn with the looks for a provider as they are, and with looks that cost nothing. Prints a row for each
 * kind of work: the processor time of one, what the looks take of it, and their share; medians of many rounds.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import { cpuUsage } from "node:process";
import { metrics, trace } from "@opentelemetry/api";
import { MemoryBackend } from "../backends/memory.ts";
import { MessageCoordinator } from "../src/messages/coordinator.ts";
import { CircuitBreaker } from "../src/resilience/circuit_breaker.ts";
import { PAYLOAD } from "./peers/payload.mjs";
import { oneRoundTrip } from "./scenarios.ts";

const ROUNDS = 300;
const CALLS = 1000;
const QUEUE_SIZE = 10_000_000;

const SENDER = { type: "sender" };
const RECIPIENT = { type: "recipient" };

const coordinator = () => new MessageCoordinator(new MemoryBackend(), { queueSize: QUEUE_SIZE });
const WORK: Readonly<Record<string, () => () => Promise<unknown>>> = {
  "send": () => {
    // A mailbox of its own for each round: a long one would make the garbage collector the measure of all things.
    const own = coordinator();
    return () => own.sendMessage(SENDER, RECIPIENT, { payload: PAYLOAD });
  },
  "send, receive, ack": () => {
    const own = coordinator();
    return () => oneRoundTrip(own);
  },
  "rejection by a breaker": () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, openMs: 3_600_000 });
    void breaker.tryCall(() => Promise.reject(new Error("down")));
    return () => breaker.tryCall(() => 1);
  },
};

for (const [name, prepare] of Object.entries(WORK)) {
  const [costs, shares]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    // One right after the other, so that both have the same machine; which comes first changes.
    const [first, second] = [await measure(prepare(), round % 2 === 0), await measure(prepare(), round % 2 !== 0)];
    const [costly, free] = round % 2 === 0 ? [second, first] : [first, second];
    costs.push(costly);
    shares.push(costly - free);
  }
  const [cost, share] = [median(costs), median(shares)];
  const percent = `${(share / cost * 100).toFixed(1)} %`;
  console.log(
    `${name.padEnd(24)} ${cost.toFixed(0).padStart(8)} ns ${share.toFixed(0).padStart(8)} ns ${percent.padStart(8)}`,
  );
}

/** Makes the API answer from constants, as if it were not asked, until the returned function is called. */
function skipLooks(): () => void {
  const [meters, tracers] = [metrics.getMeterProvider(), trace.getTracerProvider()];
  const originals = [metrics.getMeterProvider, trace.getTracerProvider] as const;
  metrics.getMeterProvider = () => meters;
  trace.getTracerProvider = () => tracers;
  return () => [metrics.getMeterProvider, trace.getTracerProvider] = originals;
}

/** How much processor time a call takes, one after the other, in nanoseconds. */
async function measure(call: () => Promise<unknown>, isFree: boolean): Promise<number> {
  const restore = isFree ? skipLooks() : () => {};
  const before = cpuUsage();
  for (let each = 0; each < CALLS; each++) await call();
  const { user, system } = cpuUsage(before);
  restore();
  return (user + system) * 1000 / CALLS;
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[figures.length >> 1] ?? NaN;
}
