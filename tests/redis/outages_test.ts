/** Outages of a real Redis server: bounded, ended with no restart, and with nothing accepted lost. @module */

import { assert, assertEquals } from "@std/assert";
import { RedisBackend } from "../../backends/redis.ts";
import { CoordinationError } from "../../src/errors.ts";
import { MessageCoordinator } from "../../src/messages/coordinator.ts";
import { redisProgram, RedisServer } from "../servers/redis.ts";
import { until } from "../until.ts";
import { Proxy } from "./proxy.ts";

const AGENT = { type: "worker" };
const SENDER = { type: "sender" };
const LIMIT_MS = 2000;
const GRACE_MS = 1000;
/** How soon after its return everybody must be served; and as much again for a machine that is busy. */
const SERVED_MS = 2000;
const BUSY_MS = 2000;
// What a test accepted must be on the disk when the server is killed.
const DURABLE = ["--appendonly", "yes", "--appendfsync", "always"];

function outageTest(name: string, run: () => Promise<void>): void {
  Deno.test({ name, ignore: redisProgram === null, /* where no server can be installed */ fn: run });
}

function coordinate(url: string): MessageCoordinator {
  return new MessageCoordinator(new RedisBackend({ url, commandTimeoutMs: LIMIT_MS }));
}

/** Sends until it is accepted, by the same id each time; returns how long the slowest try took. */
async function sendSurely(coordinator: MessageCoordinator, messageId: string): Promise<number> {
  let slowestMs = 0;
  for (let tries = 0; tries < 200; tries++) {
    const startedAt = performance.now();
    try {
      assert((await coordinator.sendMessage(SENDER, AGENT, { messageId })).delivered);
      return slowestMs;
    } catch (error) {
      assert(error instanceof CoordinationError, `${error}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    } finally {
      slowestMs = Math.max(slowestMs, performance.now() - startedAt);
    }
  }
  throw new Error(`Cannot send ${messageId}: no try was accepted`);
}

/** Eight consumers with connections of their own, each waiting for one message. */
function waitingConsumers(url: string) {
  const coordinators = Array.from({ length: 8 }, () => coordinate(url));
  const served = coordinators.map((coordinator) =>
    coordinator.receive(AGENT, { waitMs: 60_000, visibilityTimeoutMs: 60_000 })
  );
  const close = () => Promise.all(coordinators.map(({ backend }) => backend.close()));
  return { served, close };
}

/** Lets the outage happen while eight consumers wait, and holds their return to its time. */
async function outlast(
  server: RedisServer,
  url: string,
  outage: () => Promise<void>,
): Promise<void> {
  const sender = coordinate(url);
  await sendSurely(sender, "accepted-before");
  const [before] = await sender.receive(AGENT, { limit: 1, visibilityTimeoutMs: 3_600_000 });
  assert(before);
  const { served, close } = waitingConsumers(url);
  try {
    await outage();
    const backAt = performance.now();
    const slowest = await Promise.all(Array.from({ length: 8 }, (_, n) => sendSurely(sender, `message-${n}`)));
    const received = await Promise.all(served);
    const servedMs = performance.now() - backAt;
    assertEquals(
      received.map((each) => each?.message.messageId).sort(),
      Array.from({ length: 8 }, (_, n) => `message-${n}`),
    );
    assert(servedMs < SERVED_MS + BUSY_MS, `the last consumer was served ${servedMs} ms after the return`);
    assert(Math.max(...slowest) < LIMIT_MS + GRACE_MS, `a call took ${Math.max(...slowest)} ms`);
    assertEquals(await Promise.all(received.map((each) => each?.ack())), Array(8).fill(true));
    assertEquals(await before.ack(), true, "a lease from before the outage is good still");
    assertEquals(await sender.stats(), [], "nothing is left, and nothing was doubled");
  } finally {
    await close();
    await sender.backend.close();
  }
  assertEquals((await server.command("PING")).includes("PONG"), true);
}

outageTest("a server that is killed and restarted while 8 consumers wait serves them again", async () => {
  await using server = await RedisServer.start(...DURABLE);
  await outlast(server, server.url, async () => {
    await server.kill();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await server.restart();
  });
});

outageTest("a server that stands still for 10 seconds fails calls in time, and serves 8 consumers again", async () => {
  await using server = await RedisServer.start();
  await outlast(server, server.url, async () => {
    const probe = coordinate(server.url);
    await probe.stats();
    server.pause();
    try {
      const startedAt = performance.now();
      const error = await probe.sendMessage(SENDER, { type: "nobody" }, {}).catch((caught: unknown) => caught);
      assert(error instanceof CoordinationError, `${error}`);
      const tookMs = performance.now() - startedAt;
      assert(tookMs < LIMIT_MS + GRACE_MS, `the call took ${tookMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 10_000 - tookMs));
    } finally {
      server.resume();
    }
    await probe.backend.close();
  });
  // What was on its way to the paused server may have been done after all.
});

for (const fault of ["cut before the request", "cut after the request"] as const) {
  outageTest(
    `a connection that is ${fault} of a commit: the caller learns of it, and trying again doubles nothing`,
    async () => {
      await using server = await RedisServer.start();
      await using proxy = new Proxy(server.port);
      const coordinator = coordinate(proxy.url);
      await coordinator.stats(); // connected, its scripts loaded
      for (let n = 0; n < 20; n++) {
        const messageId = `message-${n}`;
        proxy.fault = fault;
        const outcome = await coordinator.sendMessage(SENDER, AGENT, { messageId }).catch((error: unknown) => error);
        // A write that was on its way may be repeated by itself only when it is known not to have happened.
        if (outcome instanceof Error) {
          assert(outcome instanceof CoordinationError, `${outcome}`);
          assert(["OUTCOME_UNKNOWN", "BACKEND_UNAVAILABLE"].includes(outcome.code), outcome.code);
        }
        await sendSurely(coordinator, messageId);
      }
      const received = await coordinator.receive(AGENT, { limit: 100 });
      assertEquals(
        received.map(({ message }) => message.messageId).sort(),
        Array.from({ length: 20 }, (_, n) => `message-${n}`).sort(),
      );
      await coordinator.backend.close();
    },
  );
}

outageTest("SCRIPT FLUSH in the middle of the work goes unnoticed", async () => {
  await using server = await RedisServer.start();
  const coordinator = coordinate(server.url);
  for (let n = 0; n < 10; n++) {
    await coordinator.sendMessage(SENDER, AGENT, { messageId: `message-${n}` });
    await server.command("SCRIPT", "FLUSH");
    const received = await coordinator.receive(AGENT);
    await server.command("SCRIPT", "FLUSH");
    assertEquals(await received?.ack(), true);
  }
  assertEquals(await coordinator.stats(), []);
  await coordinator.backend.close();
});

outageTest("a replica that is promoted goes on where the primary ended", async () => {
  // By default a primary waits 5 s for more replicas before it sends the first one anything.
  await using primary = await RedisServer.start("--repl-diskless-sync-delay", "0");
  await using replica = await RedisServer.start("--replicaof", "127.0.0.1", String(primary.port));
  await using proxy = new Proxy(primary.port); // as a name that leads to whoever is the primary
  const coordinator = coordinate(proxy.url);
  const ids = Array.from({ length: 50 }, (_, n) => `message-${n}`);
  for (const id of ids.slice(0, 25)) await sendSurely(coordinator, id);
  const held = await coordinator.receive(AGENT, { visibilityTimeoutMs: 3_600_000 });
  const offsetOf = async (server: RedisServer) =>
    /master_repl_offset:(\d+)/.exec(await server.command("INFO", "replication"))?.[1];
  const written = await offsetOf(primary);
  await until("the replica has everything", async () => Number(await offsetOf(replica)) >= Number(written));
  // First it is found as a replica that refuses writes, as in the middle of a failover.
  proxy.target = replica.port;
  await primary.kill();
  proxy.cut();
  const error = await coordinator.sendMessage(SENDER, AGENT, { messageId: "refused" }).catch((caught: unknown) =>
    caught
  );
  assert(error instanceof CoordinationError, `${error}`);
  await replica.command("REPLICAOF", "NO", "ONE");
  for (const id of ids.slice(25)) await sendSurely(coordinator, id);
  assertEquals(await held?.ack(), true);
  const received = await coordinator.receive(AGENT, { limit: 100 });
  assertEquals(received.map(({ message }) => message.messageId).filter((id) => id !== "refused"), ids.slice(1));
  await coordinator.backend.close();
});
