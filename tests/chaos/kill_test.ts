/** Workers are killed, `kill -9`, 50 times in a row while 20,000 messages pass: none is lost. @module */

import { assert, assertEquals } from "@std/assert";
import { postgresPrograms, PostgresServer } from "../servers/postgres.ts";
import { redisTest } from "../servers/redis.ts";
import { type ChaosEvent, LEASE_MS, RETRY_ATTEMPTS } from "./chaos.ts";
import { type ChaosRules, checkChaos } from "./checker.ts";
import { runChaos } from "./run.ts";

const MESSAGES = 20_000;
const KILLS = 50;
const RULES: ChaosRules = { leaseMs: LEASE_MS, maxAttempts: RETRY_ATTEMPTS + 1, logDelayMs: 1000 };

/** One run on one backend, and everything that the checker has to say of it. */
async function runOn(url: (directory: string) => string): Promise<void> {
  const directory = await Deno.makeTempDir();
  const seed = Number(Deno.env.get("TTA_CHAOS_SEED") ?? Math.floor(Math.random() * 2 ** 31));
  try {
    const plan = { url: url(directory), messages: MESSAGES, kills: KILLS, directory, random: mulberry32(seed) };
    const report = checkChaos(await runChaos(plan), RULES);
    const { sent, handled, faults } = report;
    assertEquals(faults.slice(0, 10), [], `seed ${seed}: ${JSON.stringify({ ...report, faults: faults.length })}`);
    assertEquals({ sent, handled }, { sent: MESSAGES, handled: MESSAGES });
    assert(report.redelivered > 0, "no kill met a worker that held a message: the run showed nothing");
    assert(report.refusedAcks > 0, "no acknowledgement came too late: the run showed nothing");
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

Deno.test("sqlite: G1 nothing is lost when workers are killed 50 times", () =>
  runOn((path) => `sqlite:${path}/chaos.db`));

Deno.test("deno-kv: G1 nothing is lost when workers are killed 50 times", () => runOn((path) => `kv:${path}/chaos.kv`));

redisTest("redis: G1 nothing is lost when workers are killed 50 times", async (server) => {
  await runOn(() => server.url);
});

Deno.test({
  name: "postgres: G1 nothing is lost when workers are killed 50 times",
  ignore: postgresPrograms === null, // where no server can be installed
  fn: async () => {
    await using server = await PostgresServer.start();
    await runOn(() => server.url);
  },
});

Deno.test("checkChaos() sees each fault that it is there for", () => {
  const sent = (id: string): ChaosEvent => ({ type: "sent", id, atMs: 0 });
  const received = (id: string, attempt: number, atMs: number): ChaosEvent => ({ type: "received", id, attempt, atMs });
  const settled = (id: string, attempt: number, accepted: boolean): ChaosEvent[] => [
    { type: "settling", id, attempt, atMs: 0 },
    { type: "settled", id, attempt, accepted, atMs: 0 },
  ];
  const faultsOf = (...events: ChaosEvent[]) => checkChaos(events, RULES).faults.join("; ");
  assertEquals(faultsOf(sent("a"), received("a", 1, 0), ...settled("a", 1, true)), "");
  assertEquals(faultsOf(sent("a"), received("a", 1, 0), { type: "settling", id: "a", attempt: 1, atMs: 0 }), "");
  const faulty: [RegExp, ChaosEvent[]][] = [
    [/lost/, [sent("a"), received("a", 1, 0)]],
    [/lost/, [sent("a"), received("a", 1, 0), ...settled("a", 1, false)]],
    [/never sent/, [received("a", 1, 0), ...settled("a", 1, true)]],
    [/2 times/, [sent("a"), received("a", 1, 0), ...settled("a", 1, true), ...settled("a", 1, true)]],
    [/stale/, [sent("a"), received("a", 1, 0), received("a", 2, 9000), ...settled("a", 1, true)]],
    [/within its lease/, [sent("a"), received("a", 1, 0), received("a", 2, 100), ...settled("a", 2, true)]],
    [/given twice/, [sent("a"), received("a", 1, 0), received("a", 1, 9000), ...settled("a", 1, true)]],
    [/delivered 99 times/, [sent("a"), received("a", 99, 0), ...settled("a", 99, true)]],
  ];
  for (const [fault, events] of faulty) assert(fault.test(faultsOf(...events)), `${fault}: ${faultsOf(...events)}`);
});

/** A small random source that a seed decides. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
