/** A side whose figures are known, for the tests of the benchmarks. @module */

import { serveRounds } from "../../bench/peers/child.mjs";

let round = 0;
await serveRounds({
  counting: () => Promise.resolve(100 * round++),
  steady: (durationMs: number) => Promise.resolve(durationMs),
  broken: () => Deno.exit(3),
});
