/** What the tests of the SQLite backend share: files that go away, messages, deadlines. @module */

import { SqliteBackend, type SqliteBackendOptions } from "../../backends/sqlite.ts";
import { until as untilInTime } from "../until.ts";

export { message, QUEUE } from "../../src/testing/steps.ts";

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
export function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  return untilInTime(what, condition, 20_000);
}
