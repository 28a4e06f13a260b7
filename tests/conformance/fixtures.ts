/** Fixtures of the backends on files, and how to put another backend in front of a fixture's. @module */

import { DenoKvBackend } from "../../backends/deno_kv.ts";
import { SqliteBackend } from "../../backends/sqlite.ts";
import type { Clock } from "../../src/clock.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import type { ConformanceFixture } from "../../src/testing/mod.ts";

/** SQLite on a file of its own. */
export async function sqliteFixture(clock: Clock): Promise<ConformanceFixture> {
  const directory = await Deno.makeTempDir();
  return fixture((namespace) => new SqliteBackend({ path: `${directory}/test.db`, namespace, clock }), directory);
}

/** Deno KV on a file of its own. */
export async function denoKvFixture(clock: Clock): Promise<ConformanceFixture> {
  const directory = await Deno.makeTempDir();
  const options = { path: `${directory}/kv.db`, clock, pollMs: 10, timeoutMs: 4000 };
  return fixture((namespace) => new DenoKvBackend({ ...options, namespace }), directory);
}

function fixture(open: (namespace: string) => StorageBackend, directory: string): ConformanceFixture {
  return {
    backend: open("ao"),
    reopen: () => Promise.resolve(open("ao")),
    peer: () => Promise.resolve(open("ao")),
    neighbour: () => Promise.resolve(open("neighbour")),
    dispose: () => Deno.remove(directory, { recursive: true }),
  };
}

/** The same fixture, with every backend of it behind another one. */
export function behind(
  { backend, reopen, peer, neighbour, outage, dispose }: ConformanceFixture,
  wrap: (backend: StorageBackend) => StorageBackend,
): ConformanceFixture {
  return {
    backend: wrap(backend),
    ...(reopen && { reopen: async () => wrap(await reopen()) }),
    ...(peer && { peer: async () => wrap(await peer()) }),
    ...(neighbour && { neighbour: async () => wrap(await neighbour()) }),
    ...(outage && { outage }),
    ...(dispose && { dispose }),
  };
}
