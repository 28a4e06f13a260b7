/**
 * PostgreSQL under a constant load, whatever it makes of it:
 * `deno run -A bench/offered_load.ts [--rate 2000] [--warm 10] [--hold 0] [--after 0]`, seconds each.
 *
 * One process sends and another one handles, as users have it: in one, what the sender does keeps the handlers waiting.
 * Prints for each five seconds how long messages took from the call that sent them to their handler, by the host's
 * clock, and the dead rows of the tables. During `hold`, an idle transaction keeps the server from cleaning up
 * anything.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import { fileURLToPath } from "node:url";
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
/** How often the process that handles tells what it has measured. */
const TELL_MS = 100;

const { values } = parseArgs({
  options: {
    rate: { type: "string", default: "2000" },
    warm: { type: "string", default: "10" },
    hold: { type: "string", default: "0" },
    after: { type: "string", default: "0" },
    serve: { type: "string" },
  },
});
const rate = Number(values.rate);

if (values.serve === undefined) await offer();
else await serve(values.serve);

/** The time by the host's clock, as it was when the process began: both processes count from the same. */
function hostTimeMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Handles messages until the input ends, and writes how long each took to come, in lists of milliseconds. */
async function serve(url: string): Promise<void> {
  await using backend = new PostgresBackend({ url, schema: SCHEMA });
  let latencies: number[] = [];
  const agent = serveAgent(new MessageCoordinator(backend), {
    agentId: RECIPIENT,
    process: ({ payload }) => void latencies.push(hostTimeMs() - Number(payload.sentAt)),
  }, { concurrency: 200 });
  const telling = setInterval(() => {
    if (latencies.length > 0) console.log(JSON.stringify(latencies));
    latencies = [];
  }, TELL_MS);
  for await (const _ of Deno.stdin.readable); // nothing comes
  clearInterval(telling);
  await agent.stop();
}

/** Sends at the rate, phase after phase, and reports. */
async function offer(): Promise<void> {
  await using server = await PostgresServer.start({ fsync: "on", autovacuum_naptime: "10s" });
  const sql = postgres(server.url, { max: 2, onnotice: () => {}, max_lifetime: null });
  await using backend = new PostgresBackend({ url: server.url, schema: SCHEMA });
  const coordinator = new MessageCoordinator(backend, { queueSize: 10_000_000 });
  const handler = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--no-check", fileURLToPath(import.meta.url), "--serve", server.url],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  let latencies: number[] = [];
  const hearing = (async () => {
    for await (const line of linesOf(handler.stdout)) latencies.push(...JSON.parse(line));
  })();

  /** Offers the load for some time. */
  const load = async (phase: string, durationMs: number): Promise<void> => {
    const startedAt = performance.now();
    const endsAt = startedAt + durationMs;
    let reportedAt = startedAt;
    let offered = 0;
    const errors = new Set<string>();
    for (let now = startedAt; now < endsAt;) {
      for (const due = (now - startedAt) / 1000 * rate; offered < due; offered++) {
        const payload = { ...PAYLOAD, sentAt: hostTimeMs() };
        coordinator.sendMessage({ type: "sender" }, RECIPIENT, { payload }).catch((error) => errors.add(String(error)));
      }
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      now = performance.now();
      if (now < reportedAt + REPORT_MS && now < endsAt) continue;
      await report(phase, now - reportedAt);
      reportedAt = now;
    }
    for (const error of errors) console.log(error);
  };
  const report = async (phase: string, tookMs: number): Promise<void> => {
    const sorted = latencies.sort((a, b) => a - b);
    latencies = [];
    const at = (part: number) => (sorted[Math.floor(part * (sorted.length - 1))] ?? NaN).toFixed(1);
    const handled = Math.round(sorted.length / tookMs * 1000);
    const [row] = await sql`
      SELECT sum(n_dead_tup) AS dead, sum(pg_total_relation_size(relid)) / 1e6 AS size
      FROM pg_stat_user_tables WHERE schemaname = ${SCHEMA}`;
    const size = Number(row?.size).toFixed(1);
    console.log([phase, handled, ...[0.5, 0.9, 0.99, 0.999, 1].map(at), row?.dead, size].map(cell).join(""));
  };

  const titles = ["phase", "handled/s", "p50 ms", "p90 ms", "p99 ms", "p99.9 ms", "max ms", "dead rows", "size MB"];
  console.log(titles.map(cell).join(""));
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
  await handler.stdin.close();
  await hearing;
  await handler.status;
  await sql.end();
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}

function cell(value: unknown): string {
  return String(value).padStart(11);
}
