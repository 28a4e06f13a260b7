/** The Deno KV backend passes the conformance suite, on a local file. @module */

import { DenoKvBackend } from "../../backends/deno_kv.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { FaultyKv } from "../deno_kv/faulty_kv.ts";
import { conformance } from "./run.ts";

const clock = new ManualClock();
conformance({
  name: "deno-kv",
  clock,
  factory: async () => {
    const directory = await Deno.makeTempDir();
    const clients: FaultyKv[] = [];
    const open = async (namespace = "ao") => {
      const kv = await FaultyKv.open(`${directory}/kv.db`);
      clients.push(kv);
      return new DenoKvBackend({ kv, namespace, clock, pollMs: 10, timeoutMs: 2000, maxBatchSize: 100 });
    };
    const setAll = (fault: "none" | "broken") => {
      for (const client of clients) {
        client.reads = fault;
        client.commits = () => fault;
      }
    };
    return {
      backend: await open(),
      reopen: () => open(),
      peer: () => open(),
      neighbour: () => open("neighbour"),
      outage: () => {
        setAll("broken");
        return Promise.resolve(() => Promise.resolve(setAll("none")));
      },
      dispose: async () => {
        for (const client of clients) client.close();
        await Deno.remove(directory, { recursive: true });
      },
    };
  },
  lacks: [],
});
