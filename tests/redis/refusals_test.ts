/** What a Redis server or what it holds is not right for: told at once, by a clear error, with no secret in it. @module */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { RedisBackend } from "../../backends/redis.ts";
import { BackendCorruptError, BackendUnavailableError, SchemaNewerError } from "../../src/errors.ts";
import { encodeKey } from "../../src/storage/key.ts";
import { claim, idsOf, message, QUEUE, send } from "../../src/testing/steps.ts";
import { calls, KEY } from "../calls.ts";
import { redisTest } from "../servers/redis.ts";

redisTest("a wrong password is refused at once, in words that do not repeat it", async (server) => {
  await server.command("CONFIG", "SET", "requirepass", "right-secret");
  for (const credentials of [":wrong-secret@", "nobody:wrong-secret@", ""]) {
    const url = server.url.replace("redis://", `redis://${credentials}`);
    await using backend = new RedisBackend({ url, commandTimeoutMs: 20_000 });
    for (const call of calls(backend)) {
      const startedAt = performance.now();
      const error = await assertRejects(call, BackendUnavailableError);
      assert(performance.now() - startedAt < 10_000, "it did not wait for its time limit");
      assert(!`${Deno.inspect(error)} ${backend.name}`.includes("secret"), Deno.inspect(error));
    }
    const { healthy, error = "" } = await backend.ping();
    assertEquals(healthy, false);
    assert(!error.includes("secret"), error);
  }
  await using backend = new RedisBackend({ url: server.url.replace("redis://", "redis://:right-secret@") });
  assertEquals(await backend.get([KEY]), [null]);
});

redisTest("data of a newer format is refused by every call, and left as it is", async (server) => {
  await using backend = new RedisBackend({ url: server.url });
  await backend.commit({ operations: [{ type: "set", key: KEY, value: 1 }] });
  const marker = readBulk(await server.command("GET", "{ao}"));
  await server.command("SET", "{ao}", marker.replace(/^1 /, "2 "));
  const size = await server.command("DBSIZE");
  for (const call of calls(backend)) {
    const error = await assertRejects(call, SchemaNewerError);
    assertStringIncludes(error.message, "2 is newer");
  }
  assertEquals(await server.command("DBSIZE"), size);
  await server.command("SET", "{ao}", marker);
  assertEquals((await backend.get([KEY]))[0]?.value, 1);
});

redisTest("a marker that was taken away, or names no priorities, hides no message", async (server) => {
  await using backend = new RedisBackend({ url: server.url });
  const sendOne = (id: string, priority: number) => send(backend, message(id, { priority }));
  await sendOne("c", 0);
  await sendOne("b", 4);
  await server.command("DEL", "{ao}");
  await sendOne("a", 9);
  assertEquals(idsOf(await claim(backend, 9)), ["a", "b", "c"]);
  await sendOne("d", 2);
  await server.command("SET", "{ao}", "1 1790000000000000");
  assertEquals(idsOf(await claim(backend, 9)), ["d"]);
});

redisTest("what is no marker of this library is refused, and left as it is", async (server) => {
  await server.command("SET", "{ao}", "somebody else's");
  await using backend = new RedisBackend({ url: server.url });
  for (const call of calls(backend)) await assertRejects(call, BackendCorruptError);
  assertEquals(readBulk(await server.command("GET", "{ao}")), "somebody else's");
});

redisTest("a value that was damaged fails the calls that need it, by name, and no others", async (server) => {
  await using backend = new RedisBackend({ url: server.url });
  await backend.commit({ operations: [{ type: "set", key: ["good"], value: 1 }, message("m")] });
  await server.command("SET", `{ao}:v:${encodeKey(["bad"])}`, "1790000000000000 - {");
  await server.command("HSET", `{ao}:m:${encodeKey(QUEUE)}`, "m", "1790000000000 0:0 5 3 {");
  const [bad, good] = await Promise.allSettled([backend.get([["bad"]]), backend.get([["good"]])]);
  assert(bad.status === "rejected" && bad.reason instanceof BackendCorruptError, Deno.inspect(bad));
  assertStringIncludes(bad.reason.message, '["bad"]');
  assert(good.status === "fulfilled" && good.value[0]?.value === 1, Deno.inspect(good));
  await assertRejects(() => claim(backend, 1), BackendCorruptError, '"m"');
});

function readBulk(reply: string): string {
  return reply.split("\r\n")[1] ?? "";
}
