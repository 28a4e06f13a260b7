/** Messages through PostgreSQL, beside pg-boss and graphile-worker; as a program, our side of it. @module */

import process from "node:process";
import postgres from "postgres";
import { PostgresBackend } from "../../backends/postgres.ts";
import { PostgresServer } from "../../tests/servers/postgres.ts";
import { drain, send } from "../scenarios.ts";
import { serveRounds } from "./child.mjs";
import { type Comparison, inDeno, inNode } from "./comparison.ts";

/**
 * Both sides use one server as it is set up by default: every commit waits for the disk. What is served was sent before,
 * untimed. Both begin each round with empty tables.
 */
export const comparisons: readonly Comparison[] = [
  { scenario: "send x50", peer: "pg-boss", program: "pg_boss.mjs" },
  { scenario: "serve x50", peer: "pg-boss", program: "pg_boss.mjs" },
  { scenario: "serve x50", peer: "graphile-worker", program: "graphile_worker.mjs" },
].map(({ scenario, peer, program }) => ({
  name: `postgres ${scenario} vs ${peer}`,
  unit: "messages/s",
  ours: inDeno(import.meta.url, scenario),
  peer: inNode(program, scenario),
  startServer: () => PostgresServer.start({ fsync: "on" }),
}));

const SCHEMA = "bench";

if (import.meta.main) {
  const url = process.argv[3] ?? "";
  await using backend = new PostgresBackend({ url, schema: SCHEMA });
  await backend.ping(); // makes the schema
  const sql = postgres(url, { max: 1, onnotice: () => {}, max_lifetime: null });
  const measure = async (scenario: typeof send, durationMs: number): Promise<number> => {
    const { count, elapsedMs } = await scenario(backend, 50, durationMs);
    await sql`TRUNCATE ${sql(SCHEMA)}.messages, ${sql(SCHEMA)}.ids`;
    await sql`UPDATE ${sql(SCHEMA)}.queues SET live = 0`;
    return count / (elapsedMs / 1000);
  };
  await serveRounds({
    "send x50": (durationMs) => measure(send, durationMs),
    "serve x50": (durationMs) => measure(drain, durationMs),
  });
  await sql.end();
}
