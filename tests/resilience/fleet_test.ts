/** The circuit breaker among real processes, some of which are killed, on engines that processes share. @module */

import { testBreakerFleet } from "./fleet.ts";

for (const scheme of ["kv"]) {
  Deno.test(`breaker: 6 processes trip and recover 15 times with 30 % of the probes killed, on ${scheme}`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      await testBreakerFleet(`${scheme}:${directory}/store.db`, { processes: 6, cycles: 15, deaths: 0.3 });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}
