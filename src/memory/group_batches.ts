/** Puts batches together, so that many small ones take few steps. @module */

import type { Batch } from "../storage/backend.ts";
import { mergeBatches } from "../storage/batch.ts";
import { encodeKey } from "../storage/key.ts";

/** The same batches, in their order, as few as can be: none too large, and none with a key twice. */
export function groupBatches(batches: readonly Batch[], maxBatchSize: number): Batch[] {
  const groups: Batch[][] = [];
  let size = Infinity;
  let keys = new Set<string>();
  for (const batch of batches) {
    const ownSize = batch.operations.length + (batch.checks?.length ?? 0);
    const ownKeys = batch.operations.flatMap((operation) => "key" in operation ? [encodeKey(operation.key)] : []);
    if (size + ownSize > maxBatchSize || ownKeys.some((key) => keys.has(key))) {
      groups.push([]);
      size = 0;
      keys = new Set();
    }
    groups.at(-1)?.push(batch);
    size += ownSize;
    for (const key of ownKeys) keys.add(key);
  }
  return groups.map((group) => mergeBatches(...group));
}
