/** Messages through PostgreSQL, beside pg-boss and graphile-worker; as a program, our side of it. @module */

import process from "node:process";
import postgres from "postgres";
import { PostgresBackend } from "../../backends/postgres.ts";
import { PostgresServer } from "../../tests/servers/postgres.ts";
import { drain, send } from "../scenarios.ts";
import { serveRounds } from "./child.mjs";
import { type Comparison, inDeno, inNode, type Side } from "./comparison.ts";

/**
 * Both sides use one server as it is set up by default: every commit waits for the disk. What is served was sent
 * before, untimed. Both begin each round with empty tables.
 */
export const comparisons: readonly Comparison[] = [
  compare("send x50 vs pg-boss", "send x50", inNode("pg_boss.mjs", "send x50")),
  compare("serve x50 vs pg-boss", "serve x50", inNode("pg_boss.mjs", "serve x50")),
  {
    ...compare("serve x50 vs pg-boss in batches", "serve x50", inNode("pg_boss.mjs", "serve x50 in batches")),
    isLong: true,
  },
  compare("serve x50 vs graphile-worker", "serve x50", inNode("graphile_worker.mjs", "serve x50")),
];

function compare(name: string, scenario: string, peer: Side): Comparison {
  const startServer = () => PostgresServer.start({ fsync: "on" });
  return { name: `postgres ${name}`, unit: "messages/s", ours: inDeno(import.meta.url, scenario), peer, startServer };
}

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
