/** The registry among ten real processes, one of which is killed, on engines that processes share. @module */

import { redisTest } from "../servers/redis.ts";
import { testFleet } from "./fleet.ts";

for (const scheme of ["kv", "sqlite"]) {
  Deno.test(`registry: of 200 agents in 10 processes, those of a killed one leave in time and come back, on ${scheme}`, async () => {
    const directory = await Deno.makeTempDir();
    try {
      await testFleet(`${scheme}:${directory}/store.db`);
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}

redisTest(
  "registry: of 200 agents in 10 processes, those of a killed one leave in time and come back, on redis",
  async (server) => {
    await testFleet(server.url);
  },
);
