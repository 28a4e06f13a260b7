/** Opens a backend by its URL, loading only what that one needs. @module */

import { type OptionNames, requireClock, requireOptions, requireString } from "../src/check.ts";
import type { Clock } from "../src/clock.ts";
import { CoordinationError } from "../src/errors.ts";
import type { StorageBackend } from "../src/storage/backend.ts";

/** What applies to every kind of backend. */
export interface OpenOptions {
  /** Keeps apart those who share an engine: 1 to 64 characters fit all of them. @default {"ao"} */
  readonly namespace?: string;
  /** The source of time, where the engine has none. @default {systemClock} */
  readonly clock?: Clock;
}

const OPTIONS: OptionNames<OpenOptions> = {
  namespace: (field, value) => void requireString(field, value, 1, 256), // each engine has a bound of its own
  clock: requireClock,
};

type Opener = (rest: string, url: string, options: OpenOptions) => Promise<StorageBackend>;

const OPENERS: Readonly<Record<string, Opener>> = {
  memory: async (_rest, _url, { clock }) => {
    const { MemoryBackend } = await import("./memory.ts");
    return new MemoryBackend(clock ? { clock } : {});
  },
  sqlite: async (rest, _url, options) => {
    const { SqliteBackend } = await import("./sqlite.ts");
    if (rest === "") {
      throw new TypeError('Cannot open the backend: "sqlite:" must be followed by a file, or ":memory:"');
    }
    requireFile("sqlite:", rest);
    return new SqliteBackend({ path: rest, ...options });
  },
  kv: async (rest, _url, options) => {
    const { DenoKvBackend } = await import("./deno_kv.ts");
    requireFile("kv:", rest);
    const place = rest === "" ? {} : /^https?:/i.test(rest) ? { url: rest } : { path: rest };
    return new DenoKvBackend({ ...place, ...options });
  },
  redis: openRedis,
  rediss: openRedis,
  postgres: openPostgres,
  postgresql: openPostgres,
};

/** Other libraries have a "//" in their URLs of files, and do not agree on what follows it. */
function requireFile(scheme: string, rest: string): void {
  if (!rest.startsWith("//")) return;
  throw new TypeError(`Cannot open the backend: "${scheme}" is followed by the file itself, without "//" before it`);
}

async function openRedis(_rest: string, url: string, { namespace }: OpenOptions): Promise<StorageBackend> {
  const { RedisBackend } = await import("./redis.ts");
  return new RedisBackend({ url, ...(namespace !== undefined && { namespace }) });
}

async function openPostgres(_rest: string, url: string, { namespace }: OpenOptions): Promise<StorageBackend> {
  const { PostgresBackend } = await import("./postgres.ts");
  return new PostgresBackend({ url, ...(namespace !== undefined && { namespace }) });
}

/**
 * Opens the backend that a URL names, and makes sure that it answers:
 *
 * - `memory:`
 * - `sqlite:FILE`, `sqlite::memory:`
 * - `kv:` (the default of Deno, or of Deno Deploy), `kv:FILE`, `kv:https://...` (a remote one)
 * - `redis://...`, `rediss://...`
 * - `postgres://...`
 *
 * @example
 * ```ts
 * import { MessageCoordinator } from "@tta/agent-coordination";
 * import { openBackend } from "@tta/agent-coordination/open";
 *
 * await using backend = await openBackend("memory:");
 * const coordinator = new MessageCoordinator(backend);
 * console.log((await coordinator.stats()).length); // 0
 * ```
 *
 * @throws {TypeError | RangeError} When it is no URL, or an option breaks its rule.
 * @throws {CoordinationError} `UNKNOWN_SCHEME`, `DRIVER_MISSING`, `BACKEND_UNAVAILABLE`; no message has the
 * credentials.
 */
export async function openBackend(url: string, options: OpenOptions = {}): Promise<StorageBackend> {
  requireOptions("openBackend()", options, OPTIONS);
  const [, scheme = "", rest = ""] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(requireString("url", url, 0, Infinity)) ?? [];
  if (scheme === "") {
    throw new TypeError('Cannot open the backend: the URL must begin with a scheme, such as "memory:"');
  }
  const open = Object.hasOwn(OPENERS, scheme.toLowerCase()) ? OPENERS[scheme.toLowerCase()] : undefined;
  if (open === undefined) {
    const known = Object.keys(OPENERS).join(", ");
    throw new CoordinationError(
      "UNKNOWN_SCHEME",
      `Cannot open the backend: the scheme "${scheme}" is none of ${known}`,
    );
  }
  const backend = await open(rest, url, options);
  try {
    await backend.get([["open"]]); // any call: it fails with the very error that says why
    return backend;
  } catch (error) {
    await backend.close();
    throw error;
  }
}
