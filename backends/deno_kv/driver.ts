/** What this backend needs of a Deno KV client, and how one is opened where the caller brings none. @module */

import { CoordinationError, driverMissing } from "../../src/errors.ts";

/** A key of Deno KV, as this backend writes it. */
export type DenoKvKey = readonly (Uint8Array | string | number)[];

/** An entry that exists. */
export interface DenoKvEntry {
  /** The parts of its key. */
  readonly key: readonly unknown[];
  /** What is stored. */
  readonly value: unknown;
  /** Another one after every write. */
  readonly versionstamp: string;
}

/** An entry, or the news that there is none. */
export interface DenoKvEntryMaybe {
  /** The parts of its key. */
  readonly key: readonly unknown[];
  /** What is stored; `null` where there is none. */
  readonly value: unknown;
  /** `null` where there is none. */
  readonly versionstamp: string | null;
}

/** A condition of an atomic operation. */
export interface DenoKvCheck {
  /** What is looked at. */
  readonly key: DenoKvKey;
  /** What must be there; `null` for nothing. */
  readonly versionstamp: string | null;
}

/** An atomic operation under construction. */
export interface DenoKvAtomic {
  /** Adds conditions. */
  check(...checks: DenoKvCheck[]): unknown;
  /** Adds a write. */
  set(key: DenoKvKey, value: unknown, options?: { expireIn?: number }): unknown;
  /** Adds a deletion. */
  delete(key: DenoKvKey): unknown;
  /** Adds an addition to a 64-bit counter. */
  sum(key: DenoKvKey, n: bigint): unknown;
  /** Does all of it, or nothing: then `ok` is false. */
  commit(): Promise<{ ok: boolean; versionstamp?: string }>;
}

/** The part of `Deno.Kv` that is used: the class of Deno itself and that of `npm:@deno/kv` both fit. */
export interface DenoKv {
  /** Reads up to {@linkcode MAX_READ_KEYS} keys at one moment. */
  getMany(keys: readonly DenoKvKey[]): Promise<readonly DenoKvEntryMaybe[]>;
  /** Reads a range in the order of the keys. */
  list(
    selector: { start: DenoKvKey; end: DenoKvKey },
    options?: { limit?: number; batchSize?: number; reverse?: boolean },
  ): AsyncIterable<DenoKvEntry>;
  /** Begins an atomic operation. */
  atomic(): DenoKvAtomic;
  /** Tells when one of these keys is written to. */
  watch(keys: DenoKvKey[]): ReadableStream<unknown>;
  /** Closes the database. */
  close(): void;
}

/** The most keys in one read. */
export const MAX_READ_KEYS = 10;

/** The most entries in one page of a listing. */
export const MAX_PAGE = 1000;

/** The most checks in one atomic operation. */
export const MAX_CHECKS = 100;

/**
 * The most checks in one atomic operation of a client that does not take {@linkcode MAX_CHECKS}, such as
 * `npm:@deno/kv`.
 */
export const FEWEST_CHECKS = 10;

/** The most mutations in one atomic operation. */
export const MAX_MUTATIONS = 1000;

/** The most bytes of keys in one atomic operation. */
export const MAX_ATOMIC_KEY_BYTES = 80 * 1024;

/** The most bytes of keys and values in one atomic operation. */
export const MAX_ATOMIC_BYTES = 800 * 1024;

type Opener = (path?: string) => Promise<DenoKv>;

/** Opens a database: with Deno's own client where there is one, else with `npm:@deno/kv`, loaded only then. */
export async function openDenoKv(location: string | undefined): Promise<DenoKv> {
  const { Deno: deno } = globalThis as { Deno?: { openKv?: Opener } };
  if (typeof deno?.openKv === "function") return await deno.openKv(location);
  // deno-coverage-ignore -- only where there is no Deno: tests/npm/ runs it on Node
  if (deno === undefined) return await openWithPackage(location);
  throw new CoordinationError(
    "DRIVER_MISSING",
    'Cannot open Deno KV: it needs --unstable-kv, or "unstable": ["kv"] in deno.json',
  );
}

// deno-coverage-ignore-start -- only where there is no Deno: tests/npm/ runs it on Node
async function openWithPackage(location: string | undefined): Promise<DenoKv> {
  let open: Opener;
  try {
    ({ openKv: open } = await import("@deno/kv"));
  } catch (cause) {
    throw driverMissing("Cannot open Deno KV", "@deno/kv", cause);
  }
  return await open(location);
}
// deno-coverage-ignore-stop
