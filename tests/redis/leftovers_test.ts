/** What is left in a Redis server of what is done with. @module */

import { assert, assertEquals } from "@std/assert";
import { RedisBackend } from "../../backends/redis.ts";
import { encodeKey } from "../../src/storage/key.ts";
import { claim, commit, lease, message, QUEUE, record, send } from "../../src/testing/steps.ts";
import { type RedisServer, redisTest } from "../servers/redis.ts";
import { until } from "../until.ts";

const MARKER = "{ao}";
/** Tells for a day which tracked records were deleted. */
const DELETED = `{ao}:g:${encodeKey(["records"])}`;

async function keysOf(server: RedisServer): Promise<string[]> {
  const reply = await server.command("KEYS", "*");
  return reply.split("\r\n").filter((line) => line.startsWith("{")).toSorted();
}

redisTest(
  "G8 bounded: a marker, and for a time deletions and ids, are all that is left of what is done with",
  async (server) => {
    await using backend = new RedisBackend({ url: server.url });
    const ids = ["acked", "retried", "buried", "delayed", "leased", "ready", "redriven"];
    await send(backend, ...ids.map((id, index) => message(id, { dedupeMs: 100, priority: index })));
    const held = new Map((await claim(backend, 6)).map((each) => [each.id, lease(each)]));
    const of = (id: string) => held.get(id) ?? { queue: QUEUE, id, token: "" };
    await commit(backend, [
      { type: "retry", error: "why", ...of("retried") },
      { type: "bury", error: "why", ...of("buried") },
      { type: "retry", delayMs: 3_600_000, ...of("delayed") },
      { type: "bury", ...of("redriven") },
      record(["untracked"], 1, 3_600_000),
      { ...record(["records", "tracked"], 1), tracked: true },
    ]);
    await commit(backend, [{ type: "redrive", queue: QUEUE, id: "redriven" }]);
    await commit(backend, ids.map((id) => ({ type: "purge", queue: QUEUE, id })));
    await backend.clear([]);
    const remembered = (await keysOf(server)).filter((key) => key !== MARKER && key !== DELETED);
    assert(remembered.every((key) => /^\{ao\}:[iw]:/.test(key)), `${remembered}`);
    await until("the ids are forgotten", async () => `${await keysOf(server)}` === `${[MARKER, DELETED]}`);
    const ttlSeconds = Number((await server.command("TTL", DELETED)).slice(1));
    assert(ttlSeconds > 0 && ttlSeconds <= 24 * 3600, `${ttlSeconds}`);
    assertEquals(await Array.fromAsync(backend.queues()), []);
  },
);
