/** The memory backend passes the conformance suite, also where a batch is a tenth of what it takes. @module */

import { MemoryBackend } from "../../backends/memory.ts";
import type { BackendTraits, Batch, CommitResult } from "../../src/storage/backend.ts";
import { prepareBatch } from "../../src/storage/batch.ts";
import { ManualClock } from "../../src/testing/mod.ts";
import { conformance } from "./run.ts";

const clock = new ManualClock();
// It lives in one process and dies with it.
const lacks = ["durable", "shared", "namespaces", "outages"] as const;
conformance({ name: "memory", clock, factory: () => ({ backend: new MemoryBackend({ clock }) }), lacks });

/** Checks what it writes, each entry once, and no more than ten of them, as `npm:@deno/kv` does. */
class TakesTen extends MemoryBackend {
  override readonly traits: BackendTraits = { ...new MemoryBackend().traits, maxBatchSize: 10 };

  override commit(batch: Batch): Promise<CommitResult> {
    const count = countEntries(batch);
    if (count <= 10) return super.commit(batch);
    return Promise.reject(new RangeError(`Cannot commit the batch: ${count} entries are too many`));
  }
}

function countEntries(batch: Batch): number {
  try {
    const { checks, operations } = prepareBatch(batch, String);
    return new Set([...checks, ...operations].map((each) => "key" in each ? each.key : `${each.queue}\0${each.id}`))
      .size;
  } catch {
    return 0; // what is no batch is refused as everywhere
  }
}

conformance({ name: "memory by tens", clock, factory: () => ({ backend: new TakesTen({ clock }) }), lacks });
