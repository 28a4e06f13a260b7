/** The composite backend passes the conformance suite over Redis, as a router and with a fallback. @module */

import { CompositeBackend } from "../../backends/composite.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import { RedisBackend } from "../../backends/redis.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import { redisProgram, RedisServer } from "../servers/redis.ts";
import { conformance } from "./run.ts";

const wraps = {
  "composite over redis": {
    wrap: (child: StorageBackend) =>
      new CompositeBackend({ default: child, routes: [{ prefix: ["queue"], backend: child }] }),
    lacks: ["injected clock", "outages"],
  },
  "composite with fallback over redis": {
    wrap: (child: StorageBackend) =>
      new CompositeBackend({ default: { backend: child, fallback: { fallback: new MemoryBackend(), queues: true } } }),
    lacks: ["durable", "shared", "injected clock", "outages"],
  },
} as const;

if (redisProgram !== null) {
  const server = await RedisServer.start();
  globalThis.addEventListener("unload", () => Deno.removeSync(server.directory, { recursive: true }));
  let count = 0;
  for (const [name, { wrap, lacks }] of Object.entries(wraps)) {
    conformance({
      name,
      factory: () => {
        const namespace = `test ${++count}`;
        const open = (name = namespace) => wrap(new RedisBackend({ url: server.url, namespace: name }));
        return {
          backend: open(),
          reopen: () => Promise.resolve(open()),
          peer: () => Promise.resolve(open()),
          neighbour: () => Promise.resolve(open(`${namespace}}`)),
        };
      },
      lacks,
    });
  }
}
