/** The PostgreSQL backend passes the conformance suite on PGlite, in this process. @module */

import { PGlite } from "@electric-sql/pglite";
import { PostgresBackend } from "../../backends/postgres.ts";
import { conformance } from "./run.ts";

// One for all cases: to make one takes a second.
const client = await PGlite.create();
let count = 0;

conformance({
  name: "pglite",
  factory: () => {
    const namespace = `test ${++count}`;
    // It works in this process, and on a busy machine what takes a server a moment may take it seconds.
    const open = (name = namespace) => new PostgresBackend({ client, namespace: name, commandTimeoutMs: 30_000 });
    return {
      backend: open(),
      reopen: () => Promise.resolve(open()),
      peer: () => Promise.resolve(open()),
      neighbour: () => Promise.resolve(open(`${namespace} too`)),
    };
  },
  lacks: ["injected clock", "outages"], // the clock is the engine's, and there is nothing between it and this process
  isLeaky: true, // it sets timers of its own between statements, and ends them late
  caseLimitMs: 300_000,
});
