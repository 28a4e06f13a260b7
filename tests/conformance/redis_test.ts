/** The Redis backend passes the conformance suite, on a server. @module */

import { RedisBackend } from "../../backends/redis.ts";
import { redisProgram, RedisServer } from "../servers/redis.ts";
import { conformance } from "./run.ts";

if (redisProgram !== null) {
  const server = await RedisServer.start();
  globalThis.addEventListener("unload", () => Deno.removeSync(server.directory, { recursive: true }));
  let count = 0;
  conformance({
    name: "redis",
    factory: () => {
      const namespace = `test ${++count}`;
      const open = (name = namespace) => new RedisBackend({ url: server.url, namespace: name });
      return {
        backend: open(),
        reopen: () => Promise.resolve(open()),
        peer: () => Promise.resolve(open()),
        neighbour: () => Promise.resolve(open(`${namespace}}`)),
        dispose: () => Promise.resolve(server.resume()),
        outage: () => {
          server.pause();
          return Promise.resolve(() => Promise.resolve(server.resume()));
        },
      };
    },
    lacks: ["injected clock"],
  });
}
