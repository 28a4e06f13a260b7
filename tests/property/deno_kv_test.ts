/** The Deno KV backend does what the model does, on two handles of one file. @module */

import { DenoKvBackend } from "../../backends/deno_kv.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { backendProperty } from "./backend_property.ts";

const clock = new ManualClock();

// To open a file for each run takes longer than the run: all share two clients, and each has a namespace to itself.
const directory = await Deno.makeTempDir();
const clients = [await Deno.openKv(`${directory}/kv.db`), await Deno.openKv(`${directory}/kv.db`)];
globalThis.addEventListener("unload", () => {
  for (const client of clients) client.close();
  Deno.removeSync(directory, { recursive: true });
});

let runs = 0;
backendProperty({
  name: "deno-kv",
  clock,
  factory: () => {
    const namespace = `run ${++runs}`;
    const open = (index: number) => {
      const kv = clients[index];
      return new DenoKvBackend({ ...(kv && { kv }), namespace, clock });
    };
    return { backend: open(0), reopen: () => Promise.resolve(open(0)), peer: () => Promise.resolve(open(1)) };
  },
});
