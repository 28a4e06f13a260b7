/** The leases that this process holds, remembered so that settling one needs no read. @module */

import type { PreparedLease } from "../../src/storage/batch.ts";
import type { IdEntry, Message } from "./codec.ts";

/** A lease as it was last committed by this process. */
export interface HeldLease {
  readonly versionstamp: string;
  readonly entry: IdEntry;
  readonly message: Message;
}

// Forgetting one costs a read, nothing else.
const MAX_GENERATION = 5000;

/** A bounded memory in two generations, of which the older is dropped whole when the younger is full. */
export class Leases {
  #current = new Map<string, HeldLease>();
  #previous = new Map<string, HeldLease>();

  /** The lease with this token, if it was taken here and is the one of this message. */
  get({ queue, id, token }: PreparedLease): HeldLease | undefined {
    const slot = queue + id;
    const lease = this.#current.get(slot) ?? this.#previous.get(slot);
    return lease?.entry.present?.token === token ? lease : undefined;
  }

  /** Remembers the lease of a message. */
  set(queue: string, id: string, lease: HeldLease): void {
    if (this.#current.size >= MAX_GENERATION) {
      this.#previous = this.#current;
      this.#current = new Map();
    }
    this.#current.set(queue + id, lease);
  }

  /** Forgets the lease of a message that is settled. */
  delete(queue: string, id: string): void {
    this.#current.delete(queue + id);
    this.#previous.delete(queue + id);
  }
}
