/** What was damaged in a Redis server, or evicted from it, holds up nothing else, and can be taken away. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { RedisBackend } from "../../backends/redis.ts";
import { BackendCorruptError } from "../../src/errors.ts";
import { encodeKey } from "../../src/storage/key.ts";
import { claim, claimIds, commit, idsOf, lease, message, QUEUE, send } from "../../src/testing/steps.ts";
import { redisTest } from "../servers/redis.ts";
import { until } from "../until.ts";

const [MESSAGES, STATES, ERRORS] = ["m", "s", "e"].map((kind) => `{ao}:${kind}:${encodeKey(QUEUE)}`);

redisTest("claim() delivers the rest where messages are damaged or lost, and purge takes them away", async (server) => {
  await using backend = new RedisBackend({ url: server.url });
  await send(backend, message("again"), message("lost again"));
  await commit(backend, (await claim(backend, 2)).map((each) => ({ type: "retry", error: "why", ...lease(each) })));
  await send(backend, ...["lost", "a", "damaged", "b", "cut"].map((id) => message(id)));
  await server.command("HDEL", `${MESSAGES}`, "lost", "lost again");
  const damaged = ["damaged", "1790000000000 0:0 5 3 {", "cut", "1790", "in no state", "1790000000000 0:0 5 3 1"];
  await server.command("HSET", `${MESSAGES}`, ...damaged);

  const claimed = await claim(backend, 9);
  assertEquals(claimed.map(({ id, lastError }) => [id, lastError]), [["again", "why"], ["a", undefined], [
    "b",
    undefined,
  ]]);
  assertEquals((await backend.stats(QUEUE)).leased, 5, "what is damaged dies once it has no attempt left");
  await commit(backend, claimed.map((each) => ({ type: "ack", ...lease(each) })));

  const purges = ["damaged", "cut", "in no state"].map((id) => ({ type: "purge" as const, queue: QUEUE, id }));
  assertEquals((await commit(backend, purges)).map((each) => each.type === "purge" && each.found), [true, true, true]);
  assertEquals(await server.command("EXISTS", `${MESSAGES}`, `${STATES}`, `${ERRORS}`), ":0\r\n");
  assertEquals(await Array.fromAsync(backend.queues()), []);
});

redisTest("claim() goes on behind messages that are all lost or damaged", async (server) => {
  await using backend = new RedisBackend({ url: server.url });
  await send(backend, ...["lost", "damaged", "whole"].map((id) => message(id)));
  await server.command("HDEL", `${MESSAGES}`, "lost");
  await server.command("HSET", `${MESSAGES}`, "damaged", "1790000000000 0:0 5 3 {");
  await assertRejects(() => claim(backend, 1), BackendCorruptError, '"damaged"');
  assertEquals(await claimIds(backend, 1), ["whole"]);
  await server.command("DEL", `${MESSAGES}`);
  assertEquals((await backend.stats(QUEUE)).ready, 0);
});

redisTest("claim() delivers what was delayed when the server has lost its state", async (server) => {
  await using backend = new RedisBackend({ url: server.url });
  await send(backend, message("delayed", { delayMs: 1 }));
  await server.command("DEL", `${STATES}`);
  await until("it is due", async () => idsOf(await claim(backend, 1)).includes("delayed"));
});
