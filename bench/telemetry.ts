/**
 * What telemetry costs while nobody has registered a provider: `deno run -A bench/telemetry.ts`.
 *
 * The same work with the looks for a provider as they are, and with looks that cost nothing, in two processes that take
 * turns. Prints a row for each kind of work: the processor time of one call with and without, medians of all rounds, and
 * the share of the looks.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import { cpuUsage } from "node:process";
import { metrics, trace } from "@opentelemetry/api";
import { MemoryBackend } from "../backends/memory.ts";
import { MessageCoordinator } from "../src/messages/coordinator.ts";
import { CircuitBreaker } from "../src/resilience/circuit_breaker.ts";
import { serveRounds } from "./peers/child.mjs";
import { inDeno } from "./peers/comparison.ts";
import { contest } from "./peers/contest.ts";
import { PAYLOAD } from "./peers/payload.mjs";
import { oneRoundTrip } from "./scenarios.ts";

const PLAN = { rounds: 15, roundMs: 300 };
const CALLS_AT_ONCE = 500;

const SENDER = { type: "sender" };
const RECIPIENT = { type: "recipient" };
const HOUR_MS = 3_600_000;

/** Each makes the work of so many calls, on a store of its own: a growing one would measure the garbage collector. */
const WORK: Readonly<Record<string, () => () => Promise<unknown>>> = {
  "send": () => {
    const coordinator = new MessageCoordinator(new MemoryBackend());
    return () => coordinator.sendMessage(SENDER, RECIPIENT, { payload: PAYLOAD });
  },
  "send, receive, ack": () => {
    const coordinator = new MessageCoordinator(new MemoryBackend());
    return () => oneRoundTrip(coordinator);
  },
  "rejection by a breaker": () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, openMs: HOUR_MS });
    void breaker.tryCall(() => Promise.reject(new Error("down")));
    return () => breaker.tryCall(() => 1);
  },
};

const WITHOUT = "without: ";

if (Deno.args.length > 0) await serve();
else await compare();

async function compare(): Promise<void> {
  for (const name of Object.keys(WORK)) {
    const side = (scenario: string) => inDeno(import.meta.url, scenario);
    const sides = { ours: side(name), peer: side(WITHOUT + name) };
    const [outcome] = await contest([{ name, unit: "ns/call", better: "lower", ...sides }], PLAN);
    const { ours = NaN, peer = NaN } = outcome ?? {};
    const figures = [`${ours.toFixed(0)} ns`, `${peer.toFixed(0)} ns`, `${((1 - peer / ours) * 100).toFixed(1)} %`];
    console.log(name.padEnd(24) + figures.map((figure) => figure.padStart(12)).join(""));
  }
}

async function serve(): Promise<void> {
  if (Deno.args[0]?.startsWith(WITHOUT)) skipLooks();
  await serveRounds(Object.fromEntries(
    Object.entries(WORK).flatMap(([name, prepare]) => {
      const round = (durationMs: number) => measure(durationMs, prepare);
      return [[name, round], [WITHOUT + name, round]];
    }),
  ));
}

/** Makes the API answer from constants, as if it were not asked. */
function skipLooks(): void {
  const [meters, tracers] = [metrics.getMeterProvider(), trace.getTracerProvider()];
  metrics.getMeterProvider = () => meters;
  trace.getTracerProvider = () => tracers;
}

/** How much processor time a call takes, one after the other, in nanoseconds. */
async function measure(durationMs: number, prepare: () => () => Promise<unknown>): Promise<number> {
  const endsAt = performance.now() + durationMs;
  const before = cpuUsage();
  let calls = 0;
  for (; performance.now() < endsAt; calls += CALLS_AT_ONCE) {
    const call = prepare();
    for (let each = 0; each < CALLS_AT_ONCE; each++) await call();
  }
  const { user, system } = cpuUsage(before);
  return (user + system) * 1000 / calls;
}
