/** What the tests of the Deno KV backend share. @module */

import { DenoKvBackend, type DenoKvBackendOptions } from "../../backends/deno_kv.ts";
import { FaultyKv } from "./faulty_kv.ts";

/** Runs a test on a backend whose client, on a file of its own, can be made to fail. */
export async function withFaulty(
  options: DenoKvBackendOptions,
  test: (backend: DenoKvBackend, kv: FaultyKv, path: string) => Promise<void>,
): Promise<void> {
  await withPath(async (path) => {
    const kv = await FaultyKv.open(path);
    try {
      await using backend = new DenoKvBackend({ kv, ...options });
      await test(backend, kv, path);
    } finally {
      kv.close();
    }
  });
}

/** Runs a test with the path of a file that does not exist yet. */
export async function withPath(test: (path: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  try {
    await test(`${directory}/kv.db`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** How many entries of a kind are stored: the second part of their keys. */
export async function stored(path: string, namespace = "ao"): Promise<Record<string, number>> {
  using kv = await Deno.openKv(path);
  const kinds: Record<string, number> = {};
  for await (const { key } of kv.list({ prefix: [namespace] })) {
    const kind = String(key[1]);
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return kinds;
}
