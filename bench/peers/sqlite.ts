/** Messages through SQLite, beside plainjob on better-sqlite3; as a program, our side of it. @module */

import { sqlite } from "../backends.ts";
import { send, serve, type Work } from "../scenarios.ts";
import { serveRounds } from "./child.mjs";
import { type Comparison, inDeno, inNode } from "./comparison.ts";

/**
 * plainjob's worker only serves: its jobs were added before, untimed. Ours is timed from send to acknowledgement. Both
 * write to a fresh file in write-ahead mode with `synchronous = NORMAL`.
 */
export const comparisons: readonly Comparison[] = [
  {
    name: "sqlite serve x100 vs plainjob",
    unit: "messages/s",
    ours: inDeno(import.meta.url, "serve"),
    peer: inNode("plainjob.mjs", "serve"),
  },
  {
    name: "sqlite send x100 vs plainjob",
    unit: "messages/s",
    ours: inDeno(import.meta.url, "send"),
    peer: inNode("plainjob.mjs", "send"),
  },
];

if (import.meta.main) {
  await serveRounds({
    serve: (durationMs) => measure(serve, durationMs),
    send: (durationMs) => measure(send, durationMs),
  });
}

async function measure(scenario: typeof serve, durationMs: number): Promise<number> {
  const { backend, remove } = await sqlite.open();
  try {
    const { count, elapsedMs }: Work = await scenario(backend, 100, durationMs);
    return count / (elapsedMs / 1000);
  } finally {
    await backend.close();
    remove();
  }
}
