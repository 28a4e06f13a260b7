/** The PostgreSQL backend outlives a server that is killed, and one that has no connection left. @module */

import postgres from "postgres";
import { conformanceCases } from "../../src/testing/cases/mod.ts";
import { backendConformance } from "../../src/testing/mod.ts";
import { freshSchema, postgresPrograms, PostgresServer } from "../servers/postgres.ts";

const OUTAGES = conformanceCases.filter(({ needs = [] }) => needs.includes("outages"));
const CONNECTIONS = 20;

/** Makes a server useless to others, and returns the function that makes it useful again. */
type Outage = (server: PostgresServer) => Promise<() => Promise<void>>;

const killed: Outage = async (server) => {
  await server.kill();
  return () => server.restart();
};

const full: Outage = async (server) => {
  const options = { max: 1, onnotice: () => {}, max_lifetime: null, fetch_types: false, backoff: () => 0.01 };
  const [first, ...others] = Array.from({ length: CONNECTIONS }, () => postgres(server.url, options));
  if (!first) throw new Error("Cannot take all connections: there are none");
  const end = () =>
    first`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'agent-coordination'`;
  // Ours are ended for as long as it takes the others to have all places.
  for (let taken = 0; taken < others.length;) {
    await end();
    const results = await Promise.allSettled(others.map((sql) => sql`SELECT 1`));
    taken = results.filter(({ status }) => status === "fulfilled").length;
  }
  return async () => void await Promise.all([first, ...others].map((sql) => sql.end()));
};

if (postgresPrograms !== null) {
  for (const [name, begin] of Object.entries({ killed, full })) {
    const server = await PostgresServer.start({
      max_connections: String(CONNECTIONS),
      superuser_reserved_connections: "0",
    });
    globalThis.addEventListener("unload", () => server.removeFiles());
    backendConformance({
      prefix: `postgres, ${name}: `,
      test: (title, run) => {
        if (OUTAGES.some((each) => title.endsWith(each.name))) Deno.test(title, run);
      },
      factory: () => {
        const open = freshSchema(server);
        let end: (() => Promise<void>) | null = null;
        const repair = async () => {
          const repairing = end;
          end = null;
          await repairing?.();
        };
        return {
          backend: open(),
          reopen: () => Promise.resolve(open()),
          peer: () => Promise.resolve(open()),
          dispose: repair,
          outage: async () => {
            end = await begin(server);
            return repair;
          },
        };
      },
      advance: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    });
  }
}
