/** Writes entries: many in one step, or by compare-and-set where what was there before counts. @module */

import { BackendUnavailableError, CommitRefusedError, isOutage } from "../errors.ts";
import type { Batch, StorageBackend } from "../storage/backend.ts";
import { copyJson, type JsonValue } from "../storage/json.ts";
import type { EntryStore } from "./entry_store.ts";
import { groupBatches } from "./group_batches.ts";
import type { NewEntry } from "./model.ts";

// Other processes may write in between; each of these fails only when another one's succeeds.
const MAX_ATTEMPTS = 1000;

/** The writes of one memory. */
export class Writer {
  readonly #store: EntryStore;
  readonly #mayMiss: () => boolean;
  readonly #updates = new Map<string, Promise<unknown>>();

  /** Writes to a store; `mayMiss` says whether an entry that is not found there may be out of reach for now. */
  constructor(store: EntryStore, mayMiss: () => boolean) {
    this.#store = store;
    this.#mayMiss = mayMiss;
  }

  /** Stores entries that were checked. */
  async addMany(backend: StorageBackend, entries: readonly NewEntry[]): Promise<void> {
    if (this.#store.history > 0) {
      for (const entry of entries) await this.#addWithHistory(backend, entry);
      return;
    }
    const prepared = await this.#store.prepareMany(entries);
    for (const batch of groupBatches(prepared, backend.traits.maxBatchSize)) {
      const result = await backend.commit(batch);
      if (!result.committed) throw new CommitRefusedError("add to the memory", result.reason);
    }
  }

  /** Replaces a value by what `change` makes of it, and gives that back; leaves it where that is `undefined`. */
  update(
    backend: StorageBackend,
    key: string,
    change: (value: JsonValue | undefined) => JsonValue | undefined | Promise<JsonValue | undefined>,
    ttlMs: number | undefined,
  ): Promise<JsonValue | undefined> {
    // One after the other within this process, so that they do not get in one another's way.
    return this.#inTurn(key, () =>
      attempt(backend, "update the entry", async () => {
        const former = await this.#store.get(key);
        // To begin anew would overwrite what is out of reach.
        if (former === null && this.#mayMiss()) {
          throw new BackendUnavailableError("Cannot update the entry: it may be in the backend that is away for now");
        }
        const value = await change(former?.value);
        if (value === undefined) return { value: former?.value, batch: null };
        const batch = await this.#store.prepareUpdate(key, value, former, ttlMs);
        return { value: copyJson(value), batch };
      }));
  }

  #addWithHistory(backend: StorageBackend, entry: NewEntry): Promise<void> {
    return this.#inTurn(entry.key, () =>
      attempt(backend, "add to the memory", async () => {
        return { value: undefined, batch: await this.#store.prepareAdd(entry) };
      }));
  }

  /** Runs what is about one key one after the other. What has waited for an outage has had its time. */
  #inTurn<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    const before = this.#updates.get(key) ?? Promise.resolve();
    const running = before.catch((cause) => {
      if (!isOutage(cause)) return;
      throw new BackendUnavailableError("Cannot write the entry: the write before it failed", { cause });
    }).then(work);
    this.#updates.set(key, running);
    const forget = () => {
      if (this.#updates.get(key) === running) this.#updates.delete(key);
    };
    running.then(forget, forget);
    return running;
  }
}

/** Commits what `prepare` makes, anew whenever somebody else was faster. */
async function attempt<Value>(
  backend: StorageBackend,
  action: string,
  prepare: () => Promise<{ readonly value: Value; readonly batch: Batch | null }>,
): Promise<Value> {
  for (let attempts = 0; attempts < MAX_ATTEMPTS; attempts++) {
    const { value, batch } = await prepare();
    if (batch === null) return value;
    const result = await backend.commit(batch);
    if (result.committed) return value;
    if (result.reason !== "conflict") throw new CommitRefusedError(action, result.reason);
  }
  throw new CommitRefusedError(action, "conflict");
}
