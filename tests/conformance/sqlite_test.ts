/** The SQLite backend passes the conformance suite, on a file and in memory. @module */

import { SqliteBackend } from "../../backends/sqlite.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { conformance } from "./run.ts";

const clock = new ManualClock();

conformance({
  name: "sqlite",
  clock,
  factory: async () => {
    const directory = await Deno.makeTempDir();
    const open = (namespace = "ao") => new SqliteBackend({ path: `${directory}/test.db`, namespace, clock });
    return {
      backend: open(),
      reopen: () => Promise.resolve(open()),
      peer: () => Promise.resolve(open()),
      neighbour: () => Promise.resolve(open("ao2")),
      dispose: () => Deno.remove(directory, { recursive: true }),
    };
  },
  // A file is always there; what becomes of calls that meet a lock or a damaged file is tested in tests/sqlite.
  lacks: ["outages"],
});

conformance({
  name: "sqlite in memory",
  clock,
  factory: () => ({ backend: new SqliteBackend({ path: ":memory:", clock }) }),
  // It lives in one process and dies with it.
  lacks: ["durable", "shared", "namespaces", "outages"],
});
