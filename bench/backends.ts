/** The backends that every benchmark runs on. One more is one more entry. @module */

import { DenoKvBackend } from "../backends/deno_kv.ts";
import { MemoryBackend } from "../backends/memory.ts";
import { RedisBackend } from "../backends/redis.ts";
import { PostgresBackend } from "../backends/postgres.ts";
import { SqliteBackend } from "../backends/sqlite.ts";
import type { StorageBackend } from "../src/storage/backend.ts";
import { startRedisServer } from "./peers/redis_server.mjs";

/** A backend under measure. */
export interface BenchBackend {
  /** What it is called in the reports. */
  readonly name: string;
  /** Opens it with an empty store of its own. */
  open(): Promise<OpenedBackend>;
}

/** An open backend and its store. */
export interface OpenedBackend {
  readonly backend: StorageBackend;
  /** Removes the store. At once, so that it can be done while the process ends. */
  remove(): void;
}

/** Keeps everything in the process. */
export const memory: BenchBackend = {
  name: "memory",
  open: () => Promise.resolve({ backend: new MemoryBackend(), remove: () => {} }),
};

/** A file in the temporary directory, with write-ahead log. */
export const sqlite: BenchBackend = {
  name: "sqlite",
  open: async () => {
    const directory = await Deno.makeTempDir({ prefix: "bench-" });
    const backend = new SqliteBackend({ path: `${directory}/bench.sqlite` });
    return { backend, remove: () => Deno.removeSync(directory, { recursive: true }) };
  },
};

/** Deno KV on a file in the temporary directory. */
export const denoKv: BenchBackend = {
  name: "deno-kv",
  open: async () => {
    const directory = await Deno.makeTempDir({ prefix: "bench-" });
    const backend = new DenoKvBackend({ path: `${directory}/bench.kv` });
    return { backend, remove: () => Deno.removeSync(directory, { recursive: true }) };
  },
};

/** A Redis server of its own on loopback, without persistence; needs `redis-server` on the path. */
export const redis: BenchBackend = {
  name: "redis",
  open: async () => {
    const { url, stop } = await startRedisServer();
    return { backend: new RedisBackend({ url }), remove: stop };
  },
};

/** A server of its own, as it is set up by default, where PostgreSQL is installed. */
export const postgres: BenchBackend = {
  name: "postgres",
  open: async () => {
    // On demand: it looks for the server, and may install it.
    const { PostgresServer } = await import("../tests/servers/postgres.ts");
    const server = await PostgresServer.start({ fsync: "on" });
    return { backend: new PostgresBackend({ url: server.url }), remove: () => server.removeFiles() };
  },
};

/** All of them. */
export const backends: readonly BenchBackend[] = [memory, sqlite, denoKv, redis, postgres];
