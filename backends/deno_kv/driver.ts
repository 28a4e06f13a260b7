/** What this backend needs of a Deno KV client, and how one is opened where the caller brings none. @module */

import { CoordinationError } from "../../src/errors.ts";

/** A key of Deno KV, as this backend writes it. */
export type DenoKvKey = readonly (Uint8Array | string | number)[];

/** An entry that exists. */
export interface DenoKvEntry {
  readonly key: readonly unknown[];
  readonly value: unknown;
  readonly versionstamp: string;
}

/** An entry, or the news that there is none. */
export interface DenoKvEntryMaybe {
  readonly key: readonly unknown[];
  readonly value: unknown;
  readonly versionstamp: string | null;
}

/** A condition of an atomic operation. */
export interface DenoKvCheck {
  readonly key: DenoKvKey;
  readonly versionstamp: string | null;
}

/** An atomic operation under construction. */
export interface DenoKvAtomic {
  check(...checks: DenoKvCheck[]): unknown;
  set(key: DenoKvKey, value: unknown, options?: { expireIn?: number }): unknown;
  delete(key: DenoKvKey): unknown;
  sum(key: DenoKvKey, n: bigint): unknown;
  commit(): Promise<{ ok: boolean; versionstamp?: string }>;
}

/** The part of `Deno.Kv` that is used: the class of Deno itself and that of `npm:@deno/kv` both fit. */
export interface DenoKv {
  getMany(keys: readonly DenoKvKey[]): Promise<readonly DenoKvEntryMaybe[]>;
  list(
    selector: { start: DenoKvKey; end: DenoKvKey },
    options?: { limit?: number; batchSize?: number; reverse?: boolean },
  ): AsyncIterable<DenoKvEntry>;
  atomic(): DenoKvAtomic;
  watch(keys: DenoKvKey[]): ReadableStream<unknown>;
  close(): void;
}

/** The most keys in one read. */
export const MAX_READ_KEYS = 10;

/** The most entries in one page of a listing. */
export const MAX_PAGE = 1000;

/** The most checks in one atomic operation. */
export const MAX_CHECKS = 100;

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
  if (deno !== undefined) {
    throw new CoordinationError(
      "DRIVER_MISSING",
      'Cannot open Deno KV: it needs --unstable-kv, or "unstable": ["kv"] in deno.json',
    );
  }
  let open: Opener;
  try {
    ({ openKv: open } = await import("@deno/kv"));
  } catch (cause) {
    throw new CoordinationError("DRIVER_MISSING", "Cannot open Deno KV: it needs the package @deno/kv", { cause });
  }
  return await open(location);
}
