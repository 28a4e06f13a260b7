/** Messages through Deno KV, beside its own queue and beside one at a time; as a program, any side of it. @module */

import { DenoKvBackend } from "../../backends/deno_kv.ts";
import type { StorageBackend } from "../../src/storage/backend.ts";
import { drain, send, type Work } from "../scenarios.ts";
import { serveRounds } from "./child.mjs";
import { type Comparison, inDeno } from "./comparison.ts";
import { PAYLOAD } from "./payload.mjs";

/** Each round has a fresh file. What is served was sent before, untimed, on both sides. */
export const comparisons: readonly Comparison[] = [
  beside("deno-kv serve x100 vs listenQueue", "serve x100", "listenQueue"),
  beside("deno-kv send x100 vs enqueue", "send x100", "enqueue"),
  beside("deno-kv serve x100 vs serve x1", "serve x100", "serve x1"),
  beside("deno-kv send x100 vs send x1", "send x100", "send x1"),
];

function beside(name: string, ours: string, peer: string): Comparison {
  const side = (scenario: string) => inDeno(import.meta.url, scenario);
  return { name, unit: "messages/s", ours: side(ours), peer: side(peer) };
}

/** Messages that are waiting when the server begins. */
const CHUNK = 1000;
const CHUNK_X1 = 100;

if (import.meta.main) {
  await serveRounds({
    "send x100": (durationMs) => measure((backend) => send(backend, 100, durationMs)),
    "send x1": (durationMs) => measure((backend) => send(backend, 1, durationMs)),
    "serve x100": (durationMs) => measure((backend) => drain(backend, 100, durationMs, CHUNK)),
    "serve x1": (durationMs) => measure((backend) => drain(backend, 1, durationMs, CHUNK_X1)),
    enqueue: (durationMs) => withFile((path) => enqueue(path, durationMs)),
    listenQueue: (durationMs) => withFile((path) => listenQueue(path, durationMs)),
  });
}

async function withFile(use: (path: string) => Promise<Work>): Promise<number> {
  const directory = await Deno.makeTempDir({ prefix: "bench-" });
  try {
    const { count, elapsedMs } = await use(`${directory}/bench.kv`);
    return count / (elapsedMs / 1000);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function measure(scenario: (backend: StorageBackend) => Promise<Work>): Promise<number> {
  return withFile(async (path) => {
    await using backend = new DenoKvBackend({ path });
    return await scenario(backend);
  });
}

/** Sends into Deno KV's own queue. */
async function enqueue(path: string, durationMs: number): Promise<Work> {
  const kv = await Deno.openKv(path);
  const startedAt = performance.now();
  let count = 0;
  const loop = async () => {
    while (performance.now() - startedAt < durationMs) {
      await kv.enqueue(PAYLOAD);
      count++;
    }
  };
  await Promise.all(Array.from({ length: 100 }, loop));
  const elapsedMs = performance.now() - startedAt;
  kv.close();
  return { count, elapsedMs };
}

/** Messages of Deno KV's own queue, served by a listener that finds them waiting; it takes 100 at once. */
async function listenQueue(path: string, durationMs: number): Promise<Work> {
  const work = { count: 0, elapsedMs: 0 };
  while (work.elapsedMs < durationMs) {
    const kv = await Deno.openKv(path);
    await Promise.all(Array.from({ length: CHUNK }, () => kv.enqueue(PAYLOAD)));
    let left = CHUNK;
    const { promise: handled, resolve } = Promise.withResolvers<void>();
    const startedAt = performance.now();
    const listening = kv.listenQueue(() => {
      if (--left === 0) resolve();
    });
    await handled;
    work.elapsedMs += performance.now() - startedAt;
    work.count += CHUNK;
    kv.close();
    await listening.catch(() => {}); // it ends because the database was closed
  }
  return work;
}
