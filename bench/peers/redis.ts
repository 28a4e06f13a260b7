/** Messages through Redis, beside BullMQ; as a program, our side of it. @module */

import { Redis } from "ioredis";
import { RedisBackend } from "../../backends/redis.ts";
import { drain, send } from "../scenarios.ts";
import { serveRounds } from "./child.mjs";
import { type Comparison, inDeno, inNode } from "./comparison.ts";
import { startRedisServer } from "./redis_server.mjs";

/** Each side has a server of its own, without persistence. What is served was sent before, untimed, on both sides. */
export const comparisons: readonly Comparison[] = ["send x100", "send x500", "serve x50", "serve x1"].map((
  scenario,
) => ({
  name: `redis ${scenario} vs bullmq`,
  unit: "messages/s",
  ours: inDeno(import.meta.url, scenario),
  peer: inNode("bullmq.mjs", scenario),
}));

if (import.meta.main) {
  const { url } = await startRedisServer();
  const measure = async (scenario: typeof send, atOnce: number, durationMs: number): Promise<number> => {
    await using backend = new RedisBackend({ url });
    const { count, elapsedMs } = await scenario(backend, atOnce, durationMs);
    const client = new Redis(url);
    await client.flushall();
    client.disconnect();
    return count / (elapsedMs / 1000);
  };
  // One at a time, more would take longer than a quick round.
  const drainFew: typeof send = (backend, atOnce, durationMs) => drain(backend, atOnce, durationMs, 1000);
  await serveRounds({
    "send x100": (durationMs) => measure(send, 100, durationMs),
    "send x500": (durationMs) => measure(send, 500, durationMs),
    "serve x1": (durationMs) => measure(drainFew, 1, durationMs),
    "serve x50": (durationMs) => measure(drain, 50, durationMs),
  });
}
