/** graphile-worker's side: its own defaults, and as many connections as it asks for. @module */

import process from "node:process";
import { serveRounds } from "../child.mjs";
import { PAYLOAD } from "../payload.mjs";

// On demand: only Node finds it, and a static import would be looked for by the type check of the whole project.
const { Logger, makeWorkerUtils, run } = await import("graphile-worker");
const { default: { Pool } } = await import("pg");

const CHUNK = 2000; // jobs that are waiting when the workers begin, untimed

const pgPool = new Pool({ connectionString: process.argv[3], max: 51 });
const giveUp = (error) => {
  throw error;
};
pgPool.on("error", giveUp).on(
  "connect",
  (client) => client.on("error", giveUp),
);
const options = { pgPool, logger: new Logger(() => () => {}) };
const utils = await makeWorkerUtils(options);
await utils.migrate();

await serveRounds({ "serve x50": (durationMs) => serve(50, durationMs) });
await utils.release();
await pgPool.end();

/** Jobs served a second by a runner that finds them waiting. */
async function serve(concurrency, durationMs) {
  let count = 0;
  let elapsedMs = 0;
  while (elapsedMs < durationMs) {
    await utils.addJobs(
      Array.from(
        { length: CHUNK },
        () => ({ identifier: "job", payload: PAYLOAD }),
      ),
    );
    let left = CHUNK;
    let drained;
    const finished = new Promise((resolve) => drained = resolve);
    const startedAt = performance.now();
    const runner = await run({
      ...options,
      concurrency,
      noHandleSignals: true,
      taskList: { job: () => void (--left === 0 && drained()) },
    });
    await finished;
    await runner.stop();
    elapsedMs += performance.now() - startedAt;
    count += CHUNK;
  }
  return count / (elapsedMs / 1000);
}
