/** A Redis server that may not do all: its memory is full, its user may not use it all, or it is too old. @module */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { RedisBackend } from "../../backends/redis.ts";
import { BackendUnavailableError, OutcomeUnknownError } from "../../src/errors.ts";
import type { Operation } from "../../src/storage/backend.ts";
import { claim, commit, counts, lease, message, only, QUEUE, record, send } from "../../src/testing/steps.ts";
import { redisTest } from "../servers/redis.ts";
import { scriptedServer } from "./scripted_server.ts";

redisTest("a server whose memory is full refuses what needs more, whole, and does what frees some", async (server) => {
  await using backend = new RedisBackend({ url: server.url });
  const ids = ["acked", "retried", "buried", "acked at once", "ready", "purged"];
  await send(backend, ...ids.map((id) => message(id)));
  const [acked, retried, buried, atOnce] = (await claim(backend, 4)).map(lease);
  assert(acked && retried && buried && atOnce);
  await commit(backend, [record(["deleted"], 1)]);
  await server.command("CONFIG", "SET", "maxmemory", "1000000");
  const refused: Operation[] = [record(["new"], 1), message("new")];
  for (const operations of [...refused.map((each) => [each]), [...refused, { type: "ack" as const, ...acked }]]) {
    await assertRejects(() => backend.commit({ operations }), BackendUnavailableError, "its memory is full");
  }
  const freeing: Operation[] = [
    { type: "ack", ...acked },
    { type: "retry", ...retried },
    { type: "bury", error: "why", ...buried },
    { type: "purge", queue: QUEUE, id: "purged" },
    { type: "delete", key: ["deleted"] },
  ];
  for (const each of freeing) await commit(backend, [each]);
  assertEquals((await claim(backend, 1)).map(({ id }) => id), ["ready"]);
  const both = await Promise.allSettled([
    commit(backend, [message("sent at once")]),
    commit(backend, [{ type: "ack", ...atOnce }]),
  ]);
  assertEquals(both.map(({ status }) => status), ["rejected", "fulfilled"]);
  assertEquals(await counts(backend), only({ ready: 1, leased: 1, dead: 1 }));
  assertEquals(await backend.count([]), 0);
  await server.command("CONFIG", "SET", "maxmemory", "0");
  await send(backend, message("new"));
});

Deno.test("RedisBackend makes a claim again that has more to settle, though it travelled with what a full server refuses", async () => {
  const { client, answers } = scriptedServer();
  await using backend = new RedisBackend({ client, commandTimeoutMs: 60_000 });
  const asked: string[] = [];
  const replies = [() => Promise.reject(new Error("OOM command not allowed")), () => null, () => []];
  answers.script = async (args) => {
    asked.push(["enqueues", "claim"].filter((unit) => args.includes(unit)).join());
    return ["ok", Date.now(), await replies.shift()?.()];
  };
  const [sent, claimed] = await Promise.allSettled([send(backend, message("m")), claim(backend, 1)]);
  assert(sent.status === "rejected" && sent.reason instanceof BackendUnavailableError, Deno.inspect(sent));
  assertEquals(claimed, { status: "fulfilled", value: [] });
  assertEquals(asked, ["enqueues,claim", "claim", "claim"]);
});

redisTest("a user who may not run all that a script needs learns that its write may be half done", async (server) => {
  await server.command("ACL", "SETUSER", "limited", "on", ">pw", "~*", "&*", "+@all", "-hset");
  await using backend = new RedisBackend({ url: server.url.replace("//", "//limited:pw@") });
  await assertRejects(() => send(backend, message("m")), OutcomeUnknownError, "what became of a write");
  await server.command("ACL", "SETUSER", "limited", "resetkeys", "~other");
  await assertRejects(() => send(backend, message("m")), BackendUnavailableError, "refused what the user asked for");
});

Deno.test("RedisBackend refuses a server that is too old at once, and says so", async () => {
  const { client, answers } = scriptedServer();
  await using backend = new RedisBackend({ client, commandTimeoutMs: 60_000 });
  answers.info = () => "redis_version:6.2.14\r\nredis_mode:standalone\r\nrole:master\r\n";
  const error = await assertRejects(() => backend.count([]), BackendUnavailableError);
  assert(error.message.endsWith("the server is Redis 6.2.14, and 7.0 is the oldest that fits"), error.message);
  answers.info = () => "redis_version:10.0.1\r\nredis_mode:standalone\r\nrole:master\r\n";
  assertEquals((await backend.ping()).healthy, true);
});

Deno.test("RedisBackend does without INFO where a server does not know it", async () => {
  const { client, answers } = scriptedServer();
  await using backend = new RedisBackend({ client, commandTimeoutMs: 500 });
  answers.info = () => Promise.reject(new Error("ERR unknown command 'info'"));
  assertEquals((await backend.ping()).healthy, true);
});
