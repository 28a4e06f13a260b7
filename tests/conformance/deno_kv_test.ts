/** The Deno KV backend passes the conformance suite, on a local file. @module */

import { DenoKvBackend } from "../../backends/deno_kv.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { conformance } from "./run.ts";

const clock = new ManualClock();
conformance({
  name: "deno-kv",
  clock,
  factory: async () => {
    const directory = await Deno.makeTempDir();
    const open = (namespace = "ao") =>
      new DenoKvBackend({ path: `${directory}/kv.db`, namespace, clock, pollMs: 10, timeoutMs: 4000 });
    return {
      backend: open(),
      reopen: () => Promise.resolve(open()),
      peer: () => Promise.resolve(open()),
      neighbour: () => Promise.resolve(open("neighbour")),
      dispose: () => Deno.remove(directory, { recursive: true }),
    };
  },
  // A file is always there; what becomes of calls when an engine does not answer is tested in tests/deno_kv.
  lacks: ["outages"],
});
