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
        dispose: () => Promise.resolve(server.resume()),
        outage: () => {
          server.pause();
          return Promise.resolve(() => Promise.resolve(server.resume()));
        },
      };
    },
    lacks: ["injected clock"],
  });
}
