/** A namespace whose slot moves to another node of a Redis Cluster, key by key, while it is worked with. @module */

import { assert, assertEquals } from "@std/assert";
import { RedisBackend } from "../../backends/redis.ts";
import { sleep, systemClock } from "../../src/clock.ts";
import { CoordinationError, OutcomeUnknownError } from "../../src/errors.ts";
import { claim, commitMany, lease, message, QUEUE, record } from "../../src/testing/steps.ts";
import { redisProgram, type RedisServer } from "../servers/redis.ts";
import { RedisCluster } from "../servers/redis_cluster.ts";
import { until } from "../until.ts";

const MESSAGES = 400;

/** Moves a slot as `redis-cli --cluster reshard` does, one key at a time. */
async function move(slot: string, from: RedisServer, to: RedisServer, all: readonly RedisServer[]): Promise<void> {
  const [source, target] = await Promise.all(
    [from, to].map(async (server) => lineOf(await server.command("CLUSTER", "MYID"))),
  );
  assert(source && target);
  await to.command("CLUSTER", "SETSLOT", slot, "IMPORTING", source);
  await from.command("CLUSTER", "SETSLOT", slot, "MIGRATING", target);
  for (;;) {
    await sleep(systemClock, 20);
    const key = lineOf(await from.command("CLUSTER", "GETKEYSINSLOT", slot, "1"), 2);
    if (key === undefined) break;
    assert((await from.command("MIGRATE", "127.0.0.1", String(to.port), key, "0", "5000")).startsWith("+"));
  }
  for (const server of [to, from, ...all]) await server.command("CLUSTER", "SETSLOT", slot, "NODE", target);
}

function lineOf(reply: string, index = 1): string | undefined {
  return reply.split("\r\n")[index];
}

Deno.test({
  name: "G1 nothing is lost or half done while the slot of a namespace moves to another node of a cluster and back",
  ignore: redisProgram === null, // where no server can be installed
  fn: async () => {
    await using cluster = await RedisCluster.start();
    const [first] = cluster.primaries;
    assert(first);
    await using backend = new RedisBackend({ url: first.url });
    const slot = String(parseInt((await first.command("CLUSTER", "KEYSLOT", "{ao}")).slice(1)));
    const home = Math.floor(Number(slot) / (16384 / 3));
    const [from, to] = [cluster.primaries[home], cluster.primaries[(home + 1) % 3]];
    assert(from && to);
    await commitMany(backend, Array.from({ length: 20 }, (_, index) => record([`${index}`], index)));

    let isOver = false;
    const unlisten = await backend.listen(QUEUE, () => {});
    const handled = new Map<string, number>();
    const unknown: unknown[] = [];
    /** Repeats until it is known to be done. */
    const surely = async (call: () => Promise<unknown>) => {
      for (;;) {
        try {
          return await call();
        } catch (error) {
          assert(error instanceof CoordinationError, `${error}`);
          if (error instanceof OutcomeUnknownError) unknown.push(error);
        }
      }
    };
    const sending = (async () => {
      for (let index = 0; index < MESSAGES; index++) {
        await surely(() => backend.commit({ operations: [message(`m${index}`, { priority: index % 3 })] }));
      }
    })();
    const receiving = (async () => {
      while (handled.size < MESSAGES && !isOver) {
        await surely(async () => {
          for (const delivery of await claim(backend, 5)) {
            const isFirst = delivery.attempt === 1 && handled.size % 5 === 0;
            const settle = isFirst
              ? { type: "retry" as const, ...lease(delivery) }
              : { type: "ack" as const, ...lease(delivery) };
            await surely(() => backend.commit({ operations: [settle] }));
            if (!isFirst) handled.set(delivery.id, (handled.get(delivery.id) ?? 0) + 1);
          }
        });
      }
    })();
    try {
      await move(slot, from, to, cluster.primaries);
      await move(slot, to, from, cluster.primaries);
      await sending;
      await until("all messages are handled", () => handled.size === MESSAGES);
    } finally {
      isOver = true;
      await Promise.all([sending, receiving]);
    }
    assertEquals([...handled.values()].filter((times) => times !== 1), []);
    assertEquals(unknown, []);
    assertEquals(await from.command("EXISTS", "{ao}:m:queue\u0001", "{ao}:l:queue\u0001"), ":0\r\n");
    assertEquals(await backend.count([]), 20);
    const isHeard = async () => (await from.command("PUBSUB", "SHARDCHANNELS")).includes("{ao}:t:queue");
    await until("the listener has followed to the node that has the slot now", isHeard);
    await unlisten();
  },
});
