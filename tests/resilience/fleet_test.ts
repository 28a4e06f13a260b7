/** The circuit breaker among real processes, some of which are killed, on engines that processes share. @module */

import { redisTest } from "../servers/redis.ts";
import { testBreakerFleet } from "./fleet.ts";

for (const scheme of ["kv", "sqlite"]) {
  Deno.test(`breaker: 6 processes trip and recover 15 times with 30 % of the probes killed, on ${scheme}`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      await testBreakerFleet(`${scheme}:${directory}/store.db`, { processes: 6, cycles: 15, deaths: 0.3 });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

redisTest(
  "breaker: 20 processes on one Redis trip and recover 100 times with 30 % of the probes killed",
  async (server) => {
    await testBreakerFleet(server.url, { processes: 20, cycles: 100, deaths: 0.3 });
  },
);
