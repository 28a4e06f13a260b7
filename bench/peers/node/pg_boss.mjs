/** pg-boss's side: its own defaults. @module */

import process from "node:process";
import { serveRounds } from "../child.mjs";
import { PAYLOAD } from "../payload.mjs";

// On demand: only Node finds it, and a static import would be looked for by the type check of the whole project.
const { default: PgBoss } = await import("pg-boss");

const QUEUE = "bench";
// Jobs that are waiting when the workers begin, untimed; what is left when time is up is thrown away.
const CHUNK = 5000;

const boss = new PgBoss(process.argv[3]);
await boss.start();
await boss.createQueue(QUEUE);

await serveRounds({
  "send x50": (durationMs) => send(50, durationMs),
  "serve x50": (durationMs) => serve(50, 1, durationMs),
  "serve x50 in batches": (durationMs) => serve(1, 50, durationMs),
});
await boss.stop({ graceful: false });

/** Jobs sent a second, so many calls under way all the time. */
async function send(atOnce, durationMs) {
  const startedAt = performance.now();
  let count = 0;
  const loop = async () => {
    while (performance.now() - startedAt < durationMs) {
      await boss.send(QUEUE, PAYLOAD);
      count++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, loop));
  const elapsedMs = performance.now() - startedAt;
  await boss.clearStorage();
  return count / (elapsedMs / 1000);
}

/**
 * Jobs served a second by so many loops that find them waiting and take so many at once. It is what as many of its
 * workers do, one job each by default, without the 2 seconds that each of those sleeps in between.
 */
async function serve(loops, batchSize, durationMs) {
  let count = 0;
  let elapsedMs = 0;
  while (elapsedMs < durationMs) {
    await boss.insert(
      Array.from({ length: CHUNK }, () => ({ name: QUEUE, data: PAYLOAD })),
    );
    const startedAt = performance.now();
    const loop = async () => {
      while (elapsedMs + performance.now() - startedAt < durationMs) {
        const jobs = await boss.fetch(QUEUE, { batchSize });
        if (jobs.length === 0) return;
        await boss.complete(QUEUE, jobs.map(({ id }) => id));
        count += jobs.length;
      }
    };
    await Promise.all(Array.from({ length: loops }, loop));
    elapsedMs += performance.now() - startedAt;
    await boss.clearStorage();
  }
  return count / (elapsedMs / 1000);
}
