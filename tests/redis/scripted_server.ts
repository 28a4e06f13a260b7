/** A Redis client without a server, which answers as a test says: for what no healthy server answers. @module */

import type { RedisClient, RedisConnection } from "../../backends/redis/driver.ts";

/** What the server answers. A function that throws stands for a refusal. */
export interface Answers {
  info: () => string | Promise<string>;
  script: (args: readonly string[]) => unknown;
  mget: (keys: readonly string[]) => (string | null)[];
  ping: () => unknown;
  connect: () => unknown;
  slots: () => unknown;
}

/** A server whose answers may be exchanged while the test goes on. */
export function scriptedServer(): { readonly client: RedisClient; readonly answers: Answers } {
  const answers: Answers = {
    info: () => "redis_mode:standalone\r\nrole:master\r\n",
    script: () => ["ok", 0],
    mget: (keys) => keys.map(() => null),
    ping: () => "PONG",
    connect: () => {},
    slots: () => [],
  };
  const client: RedisClient = {
    duplicate: (): RedisConnection => {
      const listeners = new Map<string, (...args: never[]) => void>();
      const end = () => {
        for (const event of ["close", "end"]) listeners.get(event)?.();
      };
      return {
        connect: async () => await answers.connect(),
        disconnect: end,
        on: (event, listener) => listeners.set(event, listener),
        evalsha: async (_sha, _keys, ...args) => await answers.script(args),
        eval: async (_source, _keys, ...args) => await answers.script(args),
        mget: async (...keys) => await answers.mget(keys),
        ping: async () => await answers.ping(),
        info: async () => await answers.info(),
        time: () => Promise.resolve([String(Math.floor(Date.now() / 1000)), "0"]),
        cluster: async () => await answers.slots(),
        subscribe: () => Promise.resolve(),
        unsubscribe: () => Promise.resolve(),
      };
    },
  };
  return { client, answers };
}
