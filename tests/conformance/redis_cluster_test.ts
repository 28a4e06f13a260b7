/** The Redis backend passes the conformance suite on a Redis Cluster, by the URL of one server and by ioredis's own client. @module */

import { Cluster } from "ioredis";
import { RedisBackend } from "../../backends/redis.ts";
import { redisProgram } from "../servers/redis.ts";
import { RedisCluster } from "../servers/redis_cluster.ts";
import { conformance } from "./run.ts";

if (redisProgram !== null) {
  const cluster = await RedisCluster.start();
  globalThis.addEventListener("unload", () => {
    for (const server of cluster.servers) Deno.removeSync(server.directory, { recursive: true });
  });
  const nodes = cluster.primaries.map(({ port }) => ({ host: "127.0.0.1", port }));
  const client = new Cluster(nodes, { lazyConnect: true });
  await client.connect();
  globalThis.addEventListener("unload", () => client.disconnect());
  let count = 0;
  conformance({
    name: "redis cluster",
    factory: () => {
      const namespace = `test ${++count}`;
      // Half of the cases by URL: the servers say which of them has the namespace's slot.
      const url = cluster.primaries[count % cluster.primaries.length]?.url ?? "";
      const server = count % 2 === 0 ? { url } : { client };
      const open = (name = namespace) => new RedisBackend({ ...server, namespace: name });
      return {
        backend: open(),
        reopen: () => Promise.resolve(open()),
        peer: () => Promise.resolve(open()),
        neighbour: () => Promise.resolve(open(`${namespace} neighbour`)),
      };
    },
    lacks: ["injected clock", "outages"],
  });
}
