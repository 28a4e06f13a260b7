/** The PostgreSQL backend passes the conformance suite on PGlite, in this process. @module */

import { PGlite } from "@electric-sql/pglite";
import { PostgresBackend } from "../../backends/postgres.ts";
import { conformance } from "./run.ts";

// The engine works in the thread in which the heartbeats are to be sent, and they have a second in these cases.
const SLOW = "so many registrations take it longer than a heartbeat may";

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
  ignored: {
    "registry: processes that register many agents at the same time tell each join once": SLOW,
    "registry: a listing of many agents reads pages, and makes no call for each agent": SLOW,
    "registry: one heartbeat is one write, whatever the number of agents": SLOW,
    "registry: watch() reads a long log in pages, and tells each event once": SLOW,
  },
  isLeaky: true, // it sets timers of its own between statements, and ends them late
  caseLimitMs: 300_000,
});
