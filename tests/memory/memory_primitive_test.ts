/** The memory with no setup, and with a Redis server that is away, comes, and goes in the middle. @module */

import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows, fail } from "@std/assert";
import { CompositeBackend } from "../../backends/composite.ts";
import {
  BackendClosedError,
  BackendUnavailableError,
  createMemoryKey,
  MemoryBackend,
  MemoryPrimitive,
  MessageCoordinator,
} from "../../mod.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { flaky } from "../composite/flaky_backend.ts";
import { standIn } from "../storage/stand_in.ts";
import { until } from "../until.ts";
import { type RedisServer, redisTest } from "../servers/redis.ts";

// What was confirmed must be on the disk when the server is killed.
const DURABLE = ["--appendonly", "yes", "--appendfsync", "always"];
/** One attempt, and as much again for a machine that is busy. */
const ATTEMPT_MS = 2000 + 3000;

function durableTest(name: string, run: (server: RedisServer) => Promise<void>): void {
  redisTest(name, run, ...DURABLE);
}

/** A memory on the server that keeps what it logs. */
function memoryOn(url: string) {
  const logged: string[] = [];
  const memory = new MemoryPrimitive({ redisUrl: url, log: (message) => logged.push(message) });
  return { memory, logged };
}

async function keysOf(hits: Promise<readonly { readonly key: string }[]>): Promise<string[]> {
  return (await hits).map(({ key }) => key).sort();
}

Deno.test("MemoryPrimitive works with nothing set up", async () => {
  const memory = new MemoryPrimitive();
  const key = createMemoryKey("user-1", "session-2");
  await memory.add(key, { text: "asked about the weather" }, { ttlMs: 3_600_000 });
  assertEquals(await memory.get(key), { text: "asked about the weather" });
  assertEquals(await keysOf(memory.search("weather", { limit: 5 })), [key]);
  assertEquals(memory.isUsingRedis(), false);
  assertEquals(memory.getBackendInfo(), {
    backend: "memory",
    usingRedis: false,
    fallbackAvailable: true,
    reason: null,
    pending: 0,
    namespace: [],
  });
  await Promise.all([memory.close(), memory.close()]);
  await assertRejects(() => memory.get(key), Error, "closed");
});

Deno.test("MemoryPrimitive leaves the backend that it was given open", async () => {
  await using backend = new MemoryBackend();
  const memory = new MemoryPrimitive({ backend, namespace: ["tenant-7"] });
  await memory.add("key", 1);
  assertEquals(memory.getBackendInfo().fallbackAvailable, false);
  await using composite = new CompositeBackend({ default: new MemoryBackend() });
  assertEquals(new MemoryPrimitive({ backend: composite }).getBackendInfo().fallbackAvailable, false);
  await memory.close();
  assertEquals(await new MemoryPrimitive({ backend, namespace: "tenant-7" }).get("key"), 1);
  assertEquals(await new MemoryPrimitive({ backend }).get("key"), undefined);
});

Deno.test("MemoryPrimitive refuses options that break their rules, and tells no password", async () => {
  await using backend = new MemoryBackend();
  assertThrows(() => new MemoryPrimitive({ backend, redisUrl: "redis://localhost" }), TypeError, "either");
  const error = assertThrows(() => new MemoryPrimitive({ redisUrl: "http://me:secret@localhost" }), TypeError);
  assert(!error.message.includes("secret"), error.message);
  // deno-lint-ignore no-explicit-any -- what a caller without types may pass
  const any = (value: any) => value;
  assertThrows(() => new MemoryPrimitive({ redisUrl: any(6379) }), TypeError, "redisUrl");
  assertThrows(() => new MemoryPrimitive({ log: any("loud") }), TypeError, "log");
  assertThrows(() => new MemoryPrimitive({ namespace: any(7) }), TypeError, "namespace");
});

Deno.test("MemoryPrimitive.update() begins nothing anew on a composite backend whose primary is away, and says that it is", async () => {
  const clock = new ManualClock();
  const { backend: primary, control } = flaky(standIn(new MemoryBackend({ clock }), { name: "redis://cache:6379" }));
  const memories = { backend: primary, fallback: new MemoryBackend({ clock }) };
  const rest = { backend: flaky(new MemoryBackend({ clock })).backend, fallback: new MemoryBackend({ clock }) };
  await using backend = new CompositeBackend({ default: rest, routes: [{ prefix: ["memory"], ...memories }], clock });
  const memory = new MemoryPrimitive({ backend, namespace: ["tenant"], clock }).within("agent");
  const increase = () => memory.update("count", (count) => Number(count ?? 0) + 1);
  assertEquals([await increase(), await increase()], [1, 2]);
  assertEquals(memory.getBackendInfo().fallbackAvailable, true);
  const told = () => {
    const { usingRedis, reason, pending } = memory.getBackendInfo();
    return { usingRedis, reason, pending };
  };
  assertEquals(told(), { usingRedis: true, reason: null, pending: 0 });
  control.isAway = true;
  await assertRejects(increase, BackendUnavailableError, "it may be in the backend that is away for now");
  await memory.add("seen", 1);
  assertEquals(await memory.update("seen", () => 2), 2);
  assertEquals(told(), { usingRedis: false, reason: "Cannot reach the backend: it was switched off", pending: 1 });
  control.isAway = false;
  for (let tries = 0; tries < 10 && backend.status().some(({ serving }) => serving !== "primary"); tries++) {
    await clock.advance(1000);
  }
  assertEquals([await increase(), await memory.get("seen")], [3, 2]);
  assertEquals(told(), { usingRedis: true, reason: null, pending: 0 });
});

durableTest("MemoryPrimitive keeps entries in Redis where there is one", async (server) => {
  const { memory, logged } = memoryOn(server.url);
  await using _memory = memory;
  await memory.add("a:1", { text: "heron" });
  assertEquals([memory.isUsingRedis(), logged], [true, []]);
  const { reason, fallbackAvailable, pending } = memory.getBackendInfo();
  assertEquals({ reason, fallbackAvailable, pending }, { reason: null, fallbackAvailable: true, pending: 0 });
  await using other = new MemoryPrimitive({ redisUrl: server.url });
  assertEquals(await keysOf(other.search("herons")), ["a:1"]);
});

durableTest(
  "MemoryPrimitive works without Redis after one attempt, says so, and moves everything when it appears",
  async (server) => {
    await server.kill();
    const { memory, logged } = memoryOn(server.url.replace("redis://", "redis://:secret@"));
    await using _memory = memory;
    const startedAt = performance.now();
    await memory.add("a:1", { text: "heron" });
    assert(performance.now() - startedAt < ATTEMPT_MS, "one attempt, which is bounded");
    for (let n = 2; n <= 20; n++) await memory.add(`a:${n}`, { text: `heron ${n}` }, { ttlMs: 3_600_000 });
    assertEquals(await memory.update("count", (value) => Number(value ?? 0) + 1), 1);
    await memory.delete("a:20");
    assertEquals((await memory.search("heron", { limit: 100 })).length, 19);
    assertEquals(logged.length, 1);
    const info = memory.getBackendInfo();
    assertEquals([info.usingRedis, info.backend, info.pending > 0], [false, "memory", true]);
    assertStringIncludes(info.reason ?? "", "Cannot reach");
    assert(!JSON.stringify([info, logged]).includes("secret"));

    await server.restart();
    await server.command("CONFIG", "SET", "requirepass", "secret");
    await until("Redis is used", () => memory.isUsingRedis());
    assertEquals(memory.getBackendInfo().pending, 0);
    assertEquals((await memory.search("heron", { limit: 100 })).length, 19);
    await using other = new MemoryPrimitive({ redisUrl: server.url.replace("redis://", "redis://:secret@") });
    assertEquals((await other.search("heron", { limit: 100 })).length, 19);
    assertEquals([await other.get("count"), await other.get("a:20")], [1, undefined]);
    const entries = await Array.fromAsync(other.entries({ prefix: "a:2" }));
    assert((entries[0]?.expiresAtMs ?? 0) > Date.now(), "its time to live came along");
    assertEquals(logged.length, 1);
  },
);

durableTest("MemoryPrimitive loses nothing that was confirmed when Redis goes away in the middle", async (server) => {
  const { memory, logged } = memoryOn(server.url);
  await using _memory = memory;
  await memory.add("count", 20);
  const confirmed = new Map<string, number>();
  let isOver = false;
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let n = 0; !isOver; n++) {
      const key = `w${writer}:${n % 50}`;
      await memory.add(key, { text: "heron", n });
      confirmed.set(key, n);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  });
  await until("something was written", () => confirmed.size > 50);
  await server.kill();
  await until("the outage was noticed", () => !memory.isUsingRedis());
  const during = confirmed.size;
  await memory.add("during", "otter");
  assertEquals(await keysOf(memory.search("otter")), ["during"]);
  // What cannot be seen must not begin anew.
  await assertRejects(() => memory.update("count", (value) => Number(value ?? 0) + 1), BackendUnavailableError);
  assertEquals(await memory.update("during", () => "otters"), "otters");
  await server.restart();
  await until("Redis is used again", () => memory.isUsingRedis());
  isOver = true;
  await Promise.all(writers);

  assert(during > 0 && logged.length === 1, logged.join("\n"));
  assertEquals(await memory.update("count", (value) => Number(value ?? 0) + 1), 21);
  await using other = new MemoryPrimitive({ redisUrl: server.url });
  for (const reader of [memory, other]) {
    const found = await reader.search("heron", { limit: 1000 });
    assertEquals(new Map(found.map(({ key, value }) => [key, numberIn(value)])), confirmed);
    assertEquals(await keysOf(reader.search("otter")), ["during"]);
  }
});

durableTest(
  "MemoryPrimitive goes on when Redis hangs, and what was written meanwhile wins when it goes on too",
  async (server) => {
    const { memory } = memoryOn(server.url);
    await using _memory = memory;
    await memory.add("key", "before");
    server.pause();
    try {
      const startedAt = performance.now();
      await memory.add("key", "first");
      assert(performance.now() - startedAt < ATTEMPT_MS, "one attempt, which is bounded");
      await memory.add("key", "second");
      assertEquals([await memory.get("key"), memory.isUsingRedis()], ["second", false]);
    } finally {
      server.resume();
    }
    await until("Redis is used again", () => memory.isUsingRedis());
    await using other = new MemoryPrimitive({ redisUrl: server.url });
    assertEquals([await memory.get("key"), await other.get("key")], ["second", "second"]);
  },
);

Deno.test("MemoryPrimitive.prepareAdd() goes with an acknowledgement, on the backend of the messages", async () => {
  await using backend = new MemoryBackend();
  const [coordinator, memory] = [new MessageCoordinator(backend), new MemoryPrimitive({ backend })];
  const [editor, writer] = [{ type: "editor" }, { type: "writer" }];
  await coordinator.sendMessage(editor, writer, { payload: { task: "watch herons" } });
  const received = await coordinator.receive(writer);
  assertEquals(await memory.get("learned"), undefined);
  assertEquals(await received?.ack({ also: [await memory.prepareAdd("learned", { text: "herons fish" })] }), true);
  assertEquals(await keysOf(memory.search("heron")), ["learned"]);
  // An acknowledgement that comes too late stores nothing.
  const late = await memory.prepareAdd("late", { text: "herons sleep" });
  assertEquals(await received?.ack({ also: [late] }), false);
  assertEquals(await memory.keys(), ["learned"]);
});

Deno.test("MemoryPrimitive connects to nothing once it is closed, within a namespace either", async () => {
  const memory = new MemoryPrimitive({ redisUrl: "redis://127.0.0.1:1", log: fail });
  const inner = memory.within("agent");
  await memory.close();
  await assertRejects(() => inner.get("key"), BackendClosedError);
});

durableTest("MemoryPrimitive tells at its end what never got to Redis", async (server) => {
  await server.kill();
  const { memory, logged } = memoryOn(server.url);
  await memory.addMany([{ key: "a", value: 1 }, { key: "b", value: 2 }]);
  await memory.close();
  assertEquals(logged.length, 2);
  assertStringIncludes(logged[1] ?? "", "2 writes");
});

function numberIn(value: unknown): number {
  return typeof value === "object" && value !== null && "n" in value ? Number(value.n) : -1;
}
