/** The conformance suite under `node --test`, on the backend that TTA_BACKEND names. @module */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process, { env } from "node:process";
import test from "node:test";
import { backendConformance, ManualClock } from "@tta/agent-coordination/testing";

const clock = new ManualClock();
let count = 0;

/** How each backend is opened: in a fresh folder, or on a server under a fresh name. */
const OPENERS = {
  memory: async () => {
    const { MemoryBackend } = await import("@tta/agent-coordination/memory");
    return () => ({ backend: new MemoryBackend({ clock }) });
  },
  sqlite: async () => {
    const { SqliteBackend } = await import("@tta/agent-coordination/sqlite");
    return onFolder((folder, namespace) => new SqliteBackend({ path: join(folder, "test.db"), namespace, clock }));
  },
  "deno-kv": async () => {
    const { DenoKvBackend } = await import("@tta/agent-coordination/deno-kv");
    const options = { clock, pollMs: 10, timeoutMs: 30_000 }; // on a busy machine, four handles lock each other out
    return onFolder((folder, namespace) => new DenoKvBackend({ path: join(folder, "kv.db"), namespace, ...options }));
  },
  redis: async () => {
    const { RedisBackend } = await import("@tta/agent-coordination/redis");
    return onServer((namespace) => new RedisBackend({ url: env.REDIS_URL, namespace }));
  },
  postgres: async () => {
    const { PostgresBackend } = await import("@tta/agent-coordination/postgres");
    const options = { url: env.POSTGRES_URL, schema: `node_${process.pid}`, maxConnections: 3 };
    return onServer((namespace) => new PostgresBackend({ ...options, namespace }));
  },
};

// npm:@deno/kv forgets a U+FEFF with which a part of a key begins.
const NOT_ON_NPM_KV = /^hostile keys: two different tuples never meet/;

const isNpmKv = env.TTA_BACKEND === "deno-kv";
const hasOwnClock = env.TTA_BACKEND === "redis" || env.TTA_BACKEND === "postgres";
backendConformance({
  test: (name, run) => test(name, { skip: isNpmKv && NOT_ON_NPM_KV.test(name) }, run),
  factory: await OPENERS[env.TTA_BACKEND](),
  advance: (ms) => hasOwnClock ? new Promise((resolve) => setTimeout(resolve, ms)) : clock.advance(ms),
  leftOut: () => {},
});

function onFolder(open) {
  return async () => {
    const folder = await mkdtemp(join(tmpdir(), "conformance-"));
    return { ...handles((name) => open(folder, name)), dispose: () => rm(folder, { recursive: true }) };
  };
}

function onServer(open) {
  return () => {
    const namespace = `test ${process.pid} ${++count}`;
    return handles((name) => open(`${namespace} ${name}`));
  };
}

function handles(open) {
  return {
    backend: open("own"),
    reopen: () => Promise.resolve(open("own")),
    peer: () => Promise.resolve(open("own")),
    neighbour: () => Promise.resolve(open("neighbour")),
  };
}
