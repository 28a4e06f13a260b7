/** A Redis server whose scripts are watched: how much each of them does, while everybody else waits. @module */

import { Redis } from "ioredis";
import { RedisBackend } from "../../backends/redis.ts";
import { type RedisServer, redisTest } from "../servers/redis.ts";
import { until } from "../until.ts";

/** A backend, and what its scripts do. */
export interface Watched {
  readonly server: RedisServer;
  readonly backend: RedisBackend;
  /** The most messages that one script has put into the line or to the dead since it was asked last. */
  readonly mostSettled: () => Promise<number>;
  /** The most places in a line or sorted set that one script has asked for. */
  readonly mostRead: () => number;
}

/** Does something with a backend whose scripts are watched. */
export function watchedTest(name: string, run: (watched: Watched) => Promise<void>): void {
  redisTest(name, async (server) => {
    await using backend = new RedisBackend({ url: server.url });
    const monitor = await new Redis(server.url, { retryStrategy: () => null }).monitor();
    const ended = new Promise((resolve) => monitor.once("end", resolve));
    let [settled, most, read, seen] = [0, 0, 0, ""];
    monitor.on("monitor", (_time: string, [command = "", key = "", ...args]: string[]) => {
      const name = command.toUpperCase();
      if (name === "EVALSHA" || name === "EVAL") settled = 0;
      else if (name === "RPUSH") settled += args.length;
      else if (name === "ZADD" && key.includes(":x:")) settled += args.length / 2;
      else if (name === "ZSCAN") read = Math.max(read, Number(args[2]));
      else if (name === "LRANGE" || name === "ZRANGE") {
        const [first = 0, last = 0] = args.map(Number);
        read = Math.max(read, last === -1 ? Infinity : last - first + 1);
      } else if (name === "ECHO") seen = key;
      most = Math.max(most, settled);
    });
    let asked = 0;
    const mostSettled = async () => {
      const mark = `asked ${++asked}`;
      await server.command("ECHO", mark);
      await until("the server has told what it did", () => seen === mark);
      const result = most;
      most = settled = 0;
      return result;
    };
    try {
      await run({ server, backend, mostSettled, mostRead: () => read });
    } finally {
      monitor.disconnect();
      await ended;
    }
  });
}
