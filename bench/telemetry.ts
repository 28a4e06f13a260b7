/**
 * What telemetry costs while nobody has registered a provider: `deno run -A bench/telemetry.ts`.
 *
 * Prints the processor time of a look for a provider, and for each kind of work that of a call and the share of the
 * looks that it makes: medians of rounds that take turns.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import { cpuUsage } from "node:process";
import { MemoryBackend } from "../backends/memory.ts";
import { MessageCoordinator } from "../src/messages/coordinator.ts";
import { telemetry } from "../src/observability/telemetry.ts";
import { CircuitBreaker } from "../src/resilience/circuit_breaker.ts";
import { PAYLOAD } from "./peers/payload.mjs";
import { oneRoundTrip } from "./scenarios.ts";

/** Some calls of one kind, on a store of their own: a growing one would measure the garbage collector. */
interface Work {
  readonly name: string;
  /** How many looks a call makes. */
  readonly looks: number;
  readonly prepare: () => () => Promise<unknown>;
}

const ROUNDS = 25;
const ROUND_MS = 200;
const CALLS_AT_ONCE = 500;
const LOOKS_AT_ONCE = 1000;

const SENDER = { type: "sender" };
const RECIPIENT = { type: "recipient" };
const HOUR_MS = 3_600_000;

const LOOK: Work = {
  name: `${LOOKS_AT_ONCE} looks`,
  looks: LOOKS_AT_ONCE,
  prepare: () => () => {
    for (let each = 0; each < LOOKS_AT_ONCE; each++) telemetry();
    return Promise.resolve();
  },
};

const WORK: readonly Work[] = [
  {
    name: "send",
    looks: 1,
    prepare: () => {
      const coordinator = new MessageCoordinator(new MemoryBackend());
      return () => coordinator.sendMessage(SENDER, RECIPIENT, { payload: PAYLOAD });
    },
  },
  {
    name: "send, receive, ack",
    looks: 3,
    prepare: () => {
      const coordinator = new MessageCoordinator(new MemoryBackend());
      return () => oneRoundTrip(coordinator);
    },
  },
  {
    name: "rejection by a breaker",
    looks: 1,
    prepare: () => {
      const breaker = new CircuitBreaker({ failureThreshold: 1, openMs: HOUR_MS });
      void breaker.tryCall(() => Promise.reject(new Error("down")));
      return () => breaker.tryCall(() => 1);
    },
  },
];

const taken = new Map<Work, number[]>([LOOK, ...WORK].map((work) => [work, []]));
for (let round = 0; round < ROUNDS; round++) {
  for (const [work, times] of taken) times.push(await measure(work));
}
const lookNs = median(taken.get(LOOK)) / LOOKS_AT_ONCE;
console.log(`a look: ${lookNs.toFixed(0)} ns`);
for (const work of WORK) {
  const callNs = median(taken.get(work));
  console.log(
    `${work.name}: ${callNs.toFixed(0)} ns, ${(work.looks * lookNs / callNs * 100).toFixed(1)} % of it looks`,
  );
}

/** How much processor time a call takes, one after the other, in nanoseconds. */
async function measure({ prepare }: Work): Promise<number> {
  const endsAt = performance.now() + ROUND_MS;
  const before = cpuUsage();
  let calls = 0;
  for (; performance.now() < endsAt; calls += CALLS_AT_ONCE) {
    const call = prepare();
    for (let each = 0; each < CALLS_AT_ONCE; each++) await call();
  }
  const { user, system } = cpuUsage(before);
  return (user + system) * 1000 / calls;
}

function median(values: readonly number[] = []): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
