/** The PostgreSQL backend does what the model does, on two handles of one server. @module */

import { PostgresBackend } from "../../backends/postgres.ts";
import { postgresPrograms, PostgresServer } from "../servers/postgres.ts";
import { backendProperty } from "./backend_property.ts";

if (postgresPrograms !== null) {
  const server = await PostgresServer.start({ max_connections: "200" });
  globalThis.addEventListener("unload", () => server.removeFiles());
  const { url } = server;
  await using first = new PostgresBackend({ url });
  await first.get([["key"]]); // makes the schema that all runs share

  let runs = 0;
  backendProperty({
    name: "postgres",
    runs: 60,
    lanes: 6,
    tickMs: 400,
    factory: () => {
      const namespace = `run ${++runs}`;
      const open = () => new PostgresBackend({ url, namespace, maxConnections: 2 });
      return { backend: open(), reopen: () => Promise.resolve(open()), peer: () => Promise.resolve(open()) };
    },
  });
}
