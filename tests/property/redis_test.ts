/** The Redis backend does what the model does, on two handles of one server. @module */

import { RedisBackend } from "../../backends/redis.ts";
import { redisProgram, RedisServer } from "../servers/redis.ts";
import { backendProperty } from "./backend_property.ts";

if (redisProgram !== null) {
  const server = await RedisServer.start();
  globalThis.addEventListener("unload", () => Deno.removeSync(server.directory, { recursive: true }));
  let runs = 0;
  backendProperty({
    name: "redis",
    runs: 300,
    tickMs: 500,
    lanes: 50,
    factory: () => {
      const namespace = `run ${++runs}`;
      const open = () => new RedisBackend({ url: server.url, namespace });
      return { backend: open(), reopen: () => Promise.resolve(open()), peer: () => Promise.resolve(open()) };
    },
  });
}
