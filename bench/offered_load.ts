/**
 * PostgreSQL under a constant load, whatever it makes of it: `deno run -A bench/offered_load.ts [--rate 2000] [--warm 10]
 * [--hold 0] [--after 0]`, seconds each.
 *
 * Prints for each five seconds how long messages took from the send to their handler, and the dead rows of the tables.
 * During `hold`, an idle transaction keeps the server from cleaning up anything.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import { parseArgs } from "node:util";
import postgres from "postgres";
import { PostgresBackend } from "../backends/postgres.ts";
import { MessageCoordinator } from "../src/messages/coordinator.ts";
import { serveAgent } from "../src/messages/worker.ts";
import { PostgresServer } from "../tests/servers/postgres.ts";
import { PAYLOAD } from "./peers/payload.mjs";

const SCHEMA = "bench";
const RECIPIENT = { type: "recipient" };
const REPORT_MS = 5000;
const TICK_MS = 2;

const { values } = parseArgs({
  options: {
    rate: { type: "string", default: "2000" },
    warm: { type: "string", default: "10" },
    hold: { type: "string", default: "0" },
    after: { type: "string", default: "0" },
  },
});
const rate = Number(values.rate);

await using server = await PostgresServer.start({ fsync: "on", autovacuum_naptime: "10s" });
const sql = postgres(server.url, { max: 2, onnotice: () => {}, max_lifetime: null });
// Two handles, as of two processes: one is told by the other through the server.
await using sending = new PostgresBackend({ url: server.url, schema: SCHEMA });
await using serving = new PostgresBackend({ url: server.url, schema: SCHEMA });
const coordinator = new MessageCoordinator(sending, { queueSize: 10_000_000 });
let latencies: number[] = [];
const agent = serveAgent(new MessageCoordinator(serving), {
  agentId: RECIPIENT,
  process: ({ payload }) => void latencies.push(performance.now() - Number(payload.sentAt)),
}, { concurrency: 200 });

console.log(["phase", "handled/s", "p50 ms", "p99 ms", "max ms", "dead rows", "size MB"].map(cell).join(""));
await load("warm", Number(values.warm) * 1000);
if (Number(values.hold) > 0) {
  const holding = Promise.withResolvers<void>();
  const transaction = sql.begin("ISOLATION LEVEL REPEATABLE READ", async (tx) => {
    await tx`SELECT txid_current()`;
    await holding.promise;
  });
  await load("hold", Number(values.hold) * 1000);
  holding.resolve();
  await transaction;
}
await load("after", Number(values.after) * 1000);
await agent.stop();
await sql.end();

/** Offers the load for some time, and reports. */
async function load(phase: string, durationMs: number): Promise<void> {
  const startedAt = performance.now();
  let reportedAt = startedAt;
  let offered = 0;
  const errors = new Set<string>();
  for (let now = startedAt; now - startedAt < durationMs; now = performance.now()) {
    for (const due = (now - startedAt) / 1000 * rate; offered < due; offered++) {
      const payload = { ...PAYLOAD, sentAt: performance.now() };
      coordinator.sendMessage({ type: "sender" }, RECIPIENT, { payload }).catch((error) => errors.add(String(error)));
    }
    if (now - reportedAt >= REPORT_MS) {
      await report(phase, now - reportedAt);
      reportedAt = now;
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  for (const error of errors) console.log(error);
}

async function report(phase: string, tookMs: number): Promise<void> {
  const sorted = latencies.sort((a, b) => a - b);
  latencies = [];
  const at = (part: number) => (sorted[Math.floor(part * (sorted.length - 1))] ?? NaN).toFixed(1);
  const handled = Math.round(sorted.length / tookMs * 1000);
  const [row] = await sql`
    SELECT sum(n_dead_tup) AS dead, sum(pg_total_relation_size(relid)) / 1e6 AS size
    FROM pg_stat_user_tables WHERE schemaname = ${SCHEMA}`;
  console.log([phase, handled, at(0.5), at(0.99), at(1), row?.dead, Number(row?.size).toFixed(1)].map(cell).join(""));
}

function cell(value: unknown): string {
  return String(value).padStart(11);
}
