/** Cases: a step costs the same whatever else the store holds. @module */

import assert from "node:assert/strict";
import { systemClock } from "../../clock.ts";
import type { StorageBackend } from "../../storage/backend.ts";
import type { Key } from "../../storage/key.ts";
import { type ConformanceCase, LONG_MS } from "../case.ts";
import { claim, commit, commitMany, lease, message } from "../steps.ts";

const CROWD = 10_000;
const ROUNDS = 5;
const STEPS = 20;

// A scan of the crowd costs some hundred times a look-up; noise on a shared machine, by the best of several rounds,
// never so much.
const MAX_RATIO = 15;

/** Cases about what a step costs in a crowd. */
export const costCases: readonly ConformanceCase[] = [
  {
    name: "G8 bounded: an acknowledgement among 10,000 leased messages costs what it costs alone, with no scan",
    run: ({ backend }) => compare(backend, ["leased"], ["alone"], (queue) => claim(backend, 1000, LONG_MS, queue)),
  },
  {
    name: "G8 bounded: a claim from a backlog of 10,000 messages costs what it costs alone, with no scan",
    run: ({ backend }) => compare(backend, ["backlog"], ["alone"], () => Promise.resolve([])),
  },
];

/** Works the same messages off in a crowded queue and in an empty one. */
async function compare(
  backend: StorageBackend,
  crowded: Key,
  alone: Key,
  prepare: (queue: Key) => Promise<unknown[]>,
): Promise<void> {
  for (let start = 0; start < CROWD; start += 1000) {
    await Promise.all(Array.from({ length: 10 }, (_, batch) =>
      commitMany(
        backend,
        Array.from({ length: 100 }, (_, index) =>
          message(`m${start + batch * 100 + index}`, { queue: crowded, priority: 1, dedupeMs: 0 })),
      )));
    await prepare(crowded);
  }
  const best = { crowded: Infinity, alone: Infinity };
  for (let round = 0; round < ROUNDS; round++) {
    best.crowded = Math.min(best.crowded, await measure(backend, crowded, round));
    best.alone = Math.min(best.alone, await measure(backend, alone, round));
  }
  // Below a millisecond for all steps together, a clock tells nothing.
  const ratio = best.crowded / Math.max(best.alone, 1);
  assert.ok(ratio < MAX_RATIO, `it takes ${ratio.toFixed(1)} times as long in the crowd (${JSON.stringify(best)})`);
}

/** How long it takes to send, claim and acknowledge some messages, one after the other. */
async function measure(backend: StorageBackend, queue: Key, round: number): Promise<number> {
  const startMs = systemClock.now();
  for (let step = 0; step < STEPS; step++) {
    await commit(backend, [message(`urgent-${round}-${step}`, { queue, priority: 9, dedupeMs: 0 })]);
    const [held] = await claim(backend, 1, LONG_MS, queue);
    assert.ok(held);
    await commit(backend, [{ type: "ack", ...lease(held) }]);
  }
  return systemClock.now() - startMs;
}
