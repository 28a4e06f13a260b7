/** Which database of a server a URL names, and what becomes of one that there is not. @module */

import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { RedisBackend } from "../../backends/redis.ts";
import { BackendUnavailableError } from "../../src/errors.ts";
import { message, QUEUE } from "../../src/testing/steps.ts";
import { redisTest } from "../servers/redis.ts";

Deno.test("RedisBackend refuses a URL whose database is no number, or whose login is not encoded", () => {
  for (const url of ["redis://h/abc", "redis://h/1/2", "redis://h/-1", "redis://u:100%@h", "redis://%zz@h"]) {
    const { message } = assertThrows(() => new RedisBackend({ url }), TypeError, "redis://host:port/database");
    assertEquals(message.includes("100%"), false);
  }
});

redisTest(
  "RedisBackend uses the database that its URL names, and none in place of one that there is not",
  async (server) => {
    const set = { operations: [{ type: "set" as const, key: ["key"], value: 1 }] };
    {
      await using backend = new RedisBackend({ url: `${server.url}/3` });
      assertEquals((await backend.commit(set)).committed, true);
    }
    const used = await server.command("INFO", "keyspace");
    assertStringIncludes(used, "db3:");
    await using none = new RedisBackend({ url: `${server.url}/999`, commandTimeoutMs: 500 });
    await assertRejects(() => none.commit(set), BackendUnavailableError, "DB index is out of range");
    assertEquals(await server.command("INFO", "keyspace"), used);
  },
);

redisTest(
  "RedisBackend does what a user may who may neither publish nor subscribe, and wakes by its poll",
  async (server) => {
    await server.command("ACL", "SETUSER", "quiet", "on", ">pw", "~*", "resetchannels", "+@all");
    await using backend = new RedisBackend({ url: server.url.replace("//", "//quiet:pw@") });
    const { committed } = await backend.commit({ operations: [message("m")] });
    assertEquals([committed, (await backend.stats(QUEUE)).ready], [true, 1]);
    const woken = Promise.withResolvers<void>();
    const unlisten = await backend.listen(QUEUE, woken.resolve);
    await woken.promise;
    await unlisten();
  },
);
