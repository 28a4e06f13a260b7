/** The PostgreSQL backend passes the conformance suite, on a server. @module */

import { freshSchema, postgresPrograms, PostgresServer } from "../servers/postgres.ts";
import { conformance } from "./run.ts";

if (postgresPrograms !== null) {
  const server = await PostgresServer.start();
  globalThis.addEventListener("unload", () => server.removeFiles());
  conformance({
    name: "postgres",
    factory: () => {
      const open = freshSchema(server);
      return {
        backend: open(),
        reopen: () => Promise.resolve(open()),
        peer: () => Promise.resolve(open()),
        neighbour: () => Promise.resolve(open({ namespace: "ao2" })),
      };
    },
    // Its outages are tested in tests/postgres.
    lacks: ["injected clock", "outages"],
  });
}
