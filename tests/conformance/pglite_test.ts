/** The PostgreSQL backend keeps the contract of backends on PGlite, in this process. @module */

import { PGlite } from "@electric-sql/pglite";
import { PostgresBackend } from "../../backends/postgres.ts";
import { backendConformance } from "../../src/testing/mod.ts";

// What stands on the contract makes the same statements as on a server, where all cases are run; here it would take minutes.
const ABOVE = /^pglite: (coordinator|serveAgent|worker|registry|breaker|retry budget|memory|memory search|watch)\b/;
/** A crowd of 10,000 is what the server is asked about, too. */
const SLOW = /10,000|1,200 records|2,500 messages|up to 10 MB|the largest value|2,000 messages, 16 consumers, each/;

const client = await PGlite.create();
let count = 0;
backendConformance({
  prefix: "pglite: ",
  test: (name, fn) => {
    if (ABOVE.test(name) || SLOW.test(name)) return;
    // PGlite sets timers of its own between statements, and ends them late.
    Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
  },
  factory: () => {
    const namespace = `test ${++count}`;
    const open = (name = namespace) => new PostgresBackend({ client, namespace: name });
    return {
      backend: open(),
      reopen: () => Promise.resolve(open()),
      peer: () => Promise.resolve(open()),
      neighbour: () => Promise.resolve(open(`${namespace} too`)),
    };
  },
  advance: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  leftOut: () => {}, // the clock is the engine's, and it has no outages
});
