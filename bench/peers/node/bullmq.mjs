/** BullMQ's side: its own defaults, and finished jobs removed. @module */

import { serveRounds } from "../child.mjs";
import { PAYLOAD } from "../payload.mjs";
import { startRedisServer } from "../redis_server.mjs";

// On demand: only Node finds it, and a static import would be looked for by the type check of the whole project.
const { Queue, Worker } = await import("bullmq");

const { port } = await startRedisServer();
const connection = { host: "127.0.0.1", port };
const OPTIONS = { removeOnComplete: true, removeOnFail: true };
const CHUNK = 5000; // jobs that are waiting when the worker begins, untimed
const CHUNK_X1 = 1000;

await serveRounds({
  "send x100": (durationMs) => send(100, durationMs),
  "send x500": (durationMs) => send(500, durationMs),
  "serve x1": (durationMs) => serve(1, CHUNK_X1, durationMs),
  "serve x50": (durationMs) => serve(50, CHUNK, durationMs),
});

/** Jobs added a second, so many calls under way all the time. */
async function send(atOnce, durationMs) {
  const queue = await emptyQueue();
  const startedAt = performance.now();
  let count = 0;
  const loop = async () => {
    while (performance.now() - startedAt < durationMs) {
      await queue.add("job", PAYLOAD, OPTIONS);
      count++;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, loop));
  const elapsedMs = performance.now() - startedAt;
  await queue.close();
  return count / (elapsedMs / 1000);
}

/** Jobs served a second by a worker that finds them waiting. */
async function serve(concurrency, chunk, durationMs) {
  const queue = await emptyQueue();
  let count = 0;
  let elapsedMs = 0;
  while (elapsedMs < durationMs) {
    await queue.addBulk(
      Array.from(
        { length: chunk },
        () => ({ name: "job", data: PAYLOAD, opts: OPTIONS }),
      ),
    );
    let left = chunk;
    const worker = new Worker(queue.name, () => Promise.resolve(), {
      connection,
      concurrency,
      autorun: false,
    });
    await worker.waitUntilReady();
    const drained = new Promise((resolve) => worker.on("completed", () => --left === 0 && resolve()));
    const startedAt = performance.now();
    worker.run();
    await drained;
    elapsedMs += performance.now() - startedAt;
    await worker.close();
    count += chunk;
  }
  await queue.close();
  return count / (elapsedMs / 1000);
}

async function emptyQueue() {
  const queue = new Queue("bench", { connection });
  await queue.obliterate({ force: true });
  return queue;
}
