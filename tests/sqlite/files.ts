/** What the tests of the SQLite backend share: files that go away, messages, deadlines. @module */

import { SqliteBackend, type SqliteBackendOptions } from "../../backends/sqlite.ts";
import type { EnqueueOperation } from "../../src/storage/backend.ts";

/** The queue of the tests that need only one. */
export const QUEUE = ["queue"];

/** Runs a test with the path of a file that is not there yet, in a folder of its own. */
export async function withFile(run: (path: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "sqlite-test-" });
  try {
    await run(`${directory}/store.sqlite`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** Runs a test with an open backend on a file of its own. */
export async function withBackend(
  run: (backend: SqliteBackend, path: string) => Promise<void>,
  options: Omit<SqliteBackendOptions, "path" | "database"> = {},
): Promise<void> {
  await withFile(async (path) => {
    await using backend = new SqliteBackend({ ...options, path });
    await run(backend, path);
  });
}

/** A message to send. */
export function message(id: string, options: Partial<EnqueueOperation> = {}): EnqueueOperation {
  return {
    type: "enqueue",
    queue: QUEUE,
    id,
    value: { id },
    priority: 5,
    maxAttempts: 3,
    dedupeMs: 3_600_000,
    capacity: 1_000_000,
    ...options,
  };
}

/** The stable code of the error that a call fails with; `null` when it does not. */
export async function codeOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
    return null;
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
}

/** Waits until `condition` holds, and fails with `what` when it does not in 20 seconds. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!await condition()) {
    if (Date.now() > deadline) throw new Error(`Cannot see in 20 seconds that ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
