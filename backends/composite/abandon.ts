/** Gives up what a fallback holds: the operator's way out where it can never be brought to the primary. @module */

import type { Operation, StorageBackend } from "../../src/storage/backend.ts";
import { collect } from "../../src/storage/es2024.ts";
import type { Key } from "../../src/storage/key.ts";
import { partsOf } from "../../src/storage/parts.ts";

/** What was given up: the writes of an outage that the primary does not have, or perhaps not. */
export interface AbandonedWrites {
  /** The records that were written or deleted. */
  readonly records: readonly Key[];
  /** The prefixes that were cleared. */
  readonly cleared: readonly Key[];
  /** The queues that hold messages. */
  readonly queues: readonly Key[];
  /** How many messages they hold. */
  readonly messages: number;
  /** Whether that is all; `false` where the fallback could not be read since this process began. */
  readonly complete: boolean;
  /**
   * Whether the fallback is empty now. If not, this process tries again until it is, and does not use it before; where
   * it ends before that, what was given up is brought to the primary by the next process that uses this fallback.
   */
  readonly emptied: boolean;
}

/** Deletes all records and messages of a backend. */
export async function empty(backend: StorageBackend): Promise<void> {
  for (const queue of await collect(backend.queues())) {
    for (const state of ["ready", "delayed", "leased", "dead"] as const) {
      const messages = await collect(backend.messages(queue, state));
      for (const part of partsOf(messages, backend.traits.maxBatchSize)) {
        await backend.commit({ operations: part.map(({ id }): Operation => ({ type: "purge", queue, id })) });
      }
    }
  }
  await backend.clear([]);
}
