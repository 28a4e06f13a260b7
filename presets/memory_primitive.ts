/** The memory with a backend of its own choice: it only wires what src/memory and backends hold. @module */

import type { CompositeBackend } from "../backends/composite.ts";
import { MemoryBackend } from "../backends/memory.ts";
import { type OptionNames, requireBackend, requireFunction, requireOptions, requireString } from "../src/check.ts";
import { type Clock, systemClock } from "../src/clock.ts";
import { Memory, MEMORY_OPTIONS, type MemoryOptions, type MemorySource } from "../src/memory/memory.ts";
import type { StorageBackend } from "../src/storage/backend.ts";
import type { Key } from "../src/storage/key.ts";
import { RedisSource } from "./redis_source.ts";

/** How to make a {@linkcode MemoryPrimitive}: with a backend, with the URL of a Redis server, or with neither. */
export interface MemoryPrimitiveOptions extends MemoryOptions {
  /** Where entries are kept. It belongs to the caller, who closes it. @default {this process} */
  readonly backend?: StorageBackend;
  /**
   * The Redis server where entries are kept: `redis://[[user]:password@]host[:port][/database]`, or `rediss:` for TLS.
   * While it is away up to 10,000 writes are kept in this process, and moved there when it appears; the last write of
   * an entry wins. What only Redis holds is not found meanwhile. For what must survive the end of this process in an
   * outage too, give a composite `backend` whose fallback is a file.
   * Needs `npm:ioredis`; where that is missing, entries stay in this process.
   */
  readonly redisUrl?: string;
  /** Told once that Redis is away, and at the end how many writes never got there. @default {console.warn} */
  readonly log?: (message: string) => void;
}

const OPTIONS: OptionNames<MemoryPrimitiveOptions> = {
  ...MEMORY_OPTIONS,
  backend: requireBackend,
  redisUrl: true,
  log: requireFunction,
};

/**
 * Context-aware memory for agents. It works at once, in this process; on a backend, all processes that use it share
 * what it holds, and a search finds the same, in the same order, wherever it is kept.
 *
 * A search ranks an index that each process keeps in step with the backend: it takes about 1.2 kB of memory for an
 * entry of 50 words, and the first search in a process reads all entries of the namespace.
 *
 * @example
 * ```ts
 * import { MemoryPrimitive } from "@tta/agent-coordination";
 *
 * await using memory = new MemoryPrimitive();
 * await memory.add("user:1:session:2", { text: "asked about the weather" }, { ttlMs: 3_600_000 });
 * const [hit] = await memory.search("weather", { limit: 5 });
 * console.log(hit?.key); // user:1:session:2
 * ```
 */
export class MemoryPrimitive extends Memory {
  /**
   * Makes a memory. Nothing is connected before the first call.
   *
   * @throws {TypeError | RangeError} When an option breaks its rule.
   */
  constructor(options: MemoryPrimitiveOptions = {}) {
    requireOptions("MemoryPrimitive", options, OPTIONS);
    const { backend, redisUrl, log = warn, ...rest } = options;
    super(toSource(backend, redisUrl, log, rest.clock), rest);
  }
}

function toSource(
  backend: StorageBackend | undefined,
  redisUrl: string | undefined,
  log: (message: string) => void,
  clock: Clock = systemClock,
): MemorySource {
  if (backend !== undefined && redisUrl !== undefined) {
    throw new TypeError("Cannot make the memory: it needs either backend or redisUrl");
  }
  if (backend !== undefined) return fixedSource(backend, false);
  if (redisUrl === undefined) return fixedSource(new MemoryBackend({ clock }), true);
  // The URL may hold a password, and stays out of the error.
  if (!/^rediss?:\/\//i.test(requireString("redisUrl", redisUrl, 1, 4096))) {
    throw new TypeError('Cannot use redisUrl: it must begin with "redis://" or "rediss://"');
  }
  return new RedisSource(redisUrl, log, clock);
}

/** A backend that is there already. */
function fixedSource(backend: StorageBackend, isOwn: boolean): MemorySource {
  return {
    open: () => Promise.resolve(backend),
    info: (entries) => {
      const { name, isAway, hasFallback, reason, pending } = holderOf(backend, entries);
      const usingRedis = !isAway && isRedis(name);
      return { backend: backend.name, usingRedis, fallbackAvailable: isOwn || hasFallback, reason, pending };
    },
    mayMiss: (entries) => holderOf(backend, entries).isAway,
    close: async () => {
      if (isOwn) await backend.close();
    },
  };
}

/** Which backend is to hold the entries, and whether a fallback serves in its place: only a composite has any. */
function holderOf(backend: StorageBackend, entries: Key) {
  if (!isComposite(backend)) return { name: backend.name, isAway: false, hasFallback: false, reason: null, pending: 0 };
  const { backend: name, serving, fallback, reason, journalled: pending } = backend.statusOf(entries);
  const isAway = serving !== "primary";
  return { name, isAway, hasFallback: fallback !== null, reason: isAway ? reason : null, pending };
}

/** Told by its method, so that its code is loaded by those alone who use it. */
function isComposite(backend: StorageBackend): backend is CompositeBackend {
  return "statusOf" in backend;
}

function isRedis(name: string): boolean {
  return /^rediss?\b/.test(name);
}

function warn(message: string): void {
  // deno-lint-ignore no-console -- whoever asked for Redis and does not get it must hear of it somewhere
  console.warn(message);
}
