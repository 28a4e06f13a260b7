/** Cases: the engine does what the breaker's model says, step by step. @module */

import assert from "node:assert/strict";
import type { StorageBackend } from "../../storage/backend.ts";
import type { Key } from "../../storage/key.ts";
import { encodeBreaker } from "../../resilience/breaker_record.ts";
import { after, randomWalk } from "../breaker_model.ts";
import { INITIAL_WORLD, type Message, processOf, type World } from "../breaker_world.ts";
import type { ConformanceCase } from "../case.ts";

const WALKS = 20;
const STEPS = 120;
const FAULTS = 15;

/** Cases about the walks of the model. */
export const breakerTraceCases: readonly ConformanceCase[] = [
  {
    name: "breaker: walks through its model with crashes, lost and doubled messages go the same way on the engine",
    run: async ({ backend }) => {
      for (let seed = 1; seed <= WALKS; seed++) await replay(backend, ["walk", String(seed)], seed);
    },
  },
];

/** Takes each step of a walk in the model and, where it reaches the store, on the engine too. */
async function replay(backend: StorageBackend, key: Key, seed: number): Promise<void> {
  let world = INITIAL_WORLD;
  /** The engine's name for each version of the model. */
  const versions = new Map<string, string>();
  for (const step of randomWalk(seed, STEPS, FAULTS)) {
    const reaching = reachingStore(world, step);
    const next = after(world, step);
    assert.ok(next);
    if (reaching?.type === "write") {
      const version = reaching.over === null ? null : versions.get(reaching.over) ?? "never";
      const result = await backend.commit({
        checks: [{ key, version }],
        operations: [{ type: "set", key, value: encodeBreaker(reaching.next) }],
      });
      assert.equal(result.committed, next.version > world.version, `seed ${seed}: the engine decides as the model`);
      const [written] = result.committed ? result.results : [];
      if (written?.type === "set") versions.set(String(next.version), written.version);
    } else if (reaching?.type === "read") {
      const [entry = null] = await backend.get([key]);
      assert.deepEqual(entry?.value ?? null, world.record, `seed ${seed}: the engine holds what the model holds`);
      assert.equal(entry?.version, versions.get(String(world.version)));
    }
    world = next;
  }
}

/** The message that a step brings to the store. */
function reachingStore(world: World, step: Parameters<typeof after>[1]): Message | null {
  const message = step.type === "stray"
    ? world.stray?.message ?? null
    : step.type === "execute"
    ? processOf(world, step.by).message
    : null;
  return message?.answer === null ? message : null;
}
