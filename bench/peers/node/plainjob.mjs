/** plainjob's side: jobs on better-sqlite3, in a fresh file for each round. @module */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { serveRounds } from "../child.mjs";
import { PAYLOAD } from "../payload.mjs";

// On demand: only Node finds these, and a static import would be looked for by the type check of the whole project.
const { default: Database } = await import("better-sqlite3");
const { better, defineQueue, defineWorker } = await import("plainjob");

const silent = { error() {}, warn() {}, info() {}, debug() {} };
const CHUNK = 2000; // jobs that are waiting when the worker begins, untimed

await serveRounds({ send, serve });

/** Jobs added a second, one call each. */
async function send(durationMs) {
  return await withQueue((queue) => {
    const startedAt = performance.now();
    let count = 0;
    while (performance.now() - startedAt < durationMs) {
      for (let index = 0; index < 100; index++) queue.add("job", PAYLOAD);
      count += 100;
    }
    return count / ((performance.now() - startedAt) / 1000);
  });
}

/** Jobs served a second by a worker that finds them waiting. */
async function serve(durationMs) {
  let count = 0;
  let elapsedMs = 0;
  while (elapsedMs < durationMs) {
    elapsedMs += await withQueue(async (queue) => {
      queue.addMany("job", Array.from({ length: CHUNK }, () => PAYLOAD));
      let left = CHUNK;
      const worker = defineWorker("job", ({ data }) => {
        JSON.parse(data);
        if (--left === 0) void worker.stop();
      }, { queue, logger: silent });
      const startedAt = performance.now();
      await worker.start();
      return performance.now() - startedAt;
    });
    count += CHUNK;
  }
  return count / (elapsedMs / 1000);
}

async function withQueue(use) {
  const directory = mkdtempSync(join(tmpdir(), "bench-"));
  const connection = better(new Database(join(directory, "bench.sqlite")));
  const queue = defineQueue({ connection, logger: silent });
  try {
    return await use(queue);
  } finally {
    queue.close();
    rmSync(directory, { recursive: true });
  }
}
