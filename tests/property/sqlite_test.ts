/** The SQLite backend does what the model does, on two handles of one file. @module */

import { SqliteBackend } from "../../backends/sqlite.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { backendProperty } from "./backend_property.ts";

const clock = new ManualClock();

// All runs share one file, and each has a namespace to itself: so they are many, and tell whether namespaces meet.
const directory = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));

let runs = 0;
backendProperty({
  name: "sqlite",
  clock,
  factory: () => {
    const namespace = `run ${++runs}`;
    const open = () => new SqliteBackend({ path: `${directory}/test.db`, namespace, clock });
    return { backend: open(), reopen: () => Promise.resolve(open()), peer: () => Promise.resolve(open()) };
  },
});
