/** Fallbacks of a real Redis server that is cut off, killed and paused, while two work with it. @module */

import { assert, assertEquals } from "@std/assert";
import { CompositeBackend } from "../../backends/composite.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import { RedisBackend } from "../../backends/redis.ts";
import { SqliteBackend } from "../../backends/sqlite.ts";
import { CoordinationError } from "../../src/errors.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import { commit, lease, message, QUEUE, record } from "../../src/testing/steps.ts";
import { Proxy } from "../redis/proxy.ts";
import { redisTest } from "../servers/redis.ts";
import { until } from "../until.ts";

// What a test accepted must be on the disk when the server is killed.
const DURABLE = ["--appendonly", "yes", "--appendfsync", "always"];
const LIMIT_MS = 1000;
const NOWHERE = 1; // nobody listens on this port

/** What became of the messages and records of all. */
interface Log {
  /** How often a fallback began to serve. */
  outages: number;
  readonly sent: Set<string>;
  /** How often an acknowledgement was accepted. */
  readonly handled: Map<string, number>;
  /** An acknowledgement broke off, which may have happened. */
  readonly unsure: Set<string>;
  readonly written: Map<string, number>;
}

/** Tells whether something happened: `null` where nobody knows. */
async function outcomeOf(happening: Promise<unknown>): Promise<boolean | null> {
  try {
    await happening;
    return true;
  } catch (error) {
    assert(error instanceof CoordinationError, `${error}`);
    return error.code === "OUTCOME_UNKNOWN" ? null : false;
  }
}

/** One of those who work: sends, handles and writes until it is told to stop. */
function begin(name: string, url: string, fallback: StorageBackend, log: Log) {
  const primary = new RedisBackend({ url, commandTimeoutMs: LIMIT_MS });
  const backend = new CompositeBackend({
    default: { backend: primary, fallback: { fallback, queues: true, probeIntervalMs: 50 } },
  });
  backend.onStatus(({ serving }) => void (serving === "fallback" && log.outages++));
  let isOver = false;
  const send = async () => {
    for (let n = 0; !isOver; n++) {
      const id = `${name}${n}`;
      if (await outcomeOf(commit(backend, [message(id, { maxAttempts: 100 })]))) log.sent.add(id);
      const key = [name, `${n % 20}`];
      if (await outcomeOf(commit(backend, [record(key, n)]))) log.written.set(key.join("/"), n);
      else log.written.delete(key.join("/"));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  const handle = async () => {
    while (!isOver) {
      const deliveries = await backend.claim(QUEUE, { leaseMs: 60_000, limit: 5 }).catch(() => []);
      for (const delivery of deliveries) {
        const isDone = await outcomeOf(commit(backend, [{ type: "ack", ...lease(delivery) }]));
        if (isDone) log.handled.set(delivery.id, (log.handled.get(delivery.id) ?? 0) + 1);
        else log.unsure.add(delivery.id);
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  };
  const working = Promise.all([send(), handle()]);
  return {
    backend,
    isBack: () => backend.status().every(({ serving }) => serving === "primary"),
    isDone: () => backend.status().every(({ serving, journalled }) => serving === "primary" && journalled === 0),
    stop: async () => {
      isOver = true;
      await working;
    },
  };
}

redisTest(
  "G1 nothing accepted is lost: fallbacks of a Redis server that is cut off, killed and paused; nothing is handled twice",
  async (server) => {
    await using ways = new AsyncDisposableStack();
    const directory = await Deno.makeTempDir();
    ways.defer(() => Deno.remove(directory, { recursive: true }));
    const [a, b] = [ways.use(new Proxy(server.port)), ways.use(new Proxy(server.port))];
    const log: Log = { outages: 0, sent: new Set(), handled: new Map(), unsure: new Set(), written: new Map() };
    const both = [
      begin("a", a.url, new MemoryBackend(), log),
      begin("b", b.url, new SqliteBackend({ path: `${directory}/fallback.db` }), log),
    ];
    /** Lets an outage begin and at least one feel it, and waits for the return of both. */
    const outage = async (begin: () => unknown, end: () => unknown, goOn = () => {}) => {
      const { outages } = log;
      await begin();
      await until("the outage is felt", () => {
        if (log.outages === outages) goOn();
        return log.outages > outages;
      });
      const { size } = log.sent;
      await until("work goes on", () => log.sent.size > size + 20);
      await end();
      await until("the primary serves again", () => both.every(({ isBack }) => isBack()));
    };
    await until("both work", () => log.sent.size > 50);
    for (const proxy of [a, b, a, b]) {
      // What only reads is asked again on another connection, and feels nothing of one that is cut.
      await outage(() => {}, () => {}, () => proxy.fault = "cut after the request");
      await outage(() => {
        Object.assign(proxy, { target: NOWHERE, fault: "cut after the request" });
      }, () => proxy.target = server.port);
    }
    await outage(() => server.kill(), () => server.restart());
    await outage(() => server.pause(), () => server.resume());
    await Promise.all(both.map(({ stop }) => stop()));
    await until("all is synchronised", () => both.every(({ isDone }) => isDone()));
    await Promise.all(both.map(({ backend }) => backend.close()));

    await using redis = new RedisBackend({ url: server.url });
    const there = new Set<string>();
    for (const state of ["ready", "leased", "delayed", "dead"] as const) {
      for await (const { id } of redis.messages(QUEUE, state)) there.add(id);
    }
    const isKept = (id: string) => there.has(id) || log.handled.has(id) || log.unsure.has(id);
    assertEquals([...log.sent].filter((id) => !isKept(id)), [], "lost");
    assertEquals([...log.handled].filter(([, times]) => times > 1), [], "handled twice");
    assertEquals([...log.handled].filter(([id]) => there.has(id)), [], "handled, and still there");
    for (const [key, value] of log.written) {
      assertEquals((await redis.get([key.split("/")]))[0]?.value, value, key);
    }
  },
  ...DURABLE,
);
