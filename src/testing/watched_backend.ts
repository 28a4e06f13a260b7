/** A backend around another one that counts its calls, and fails them where a test wants it. @module */

import { BackendUnavailableError, OutcomeUnknownError } from "../errors.ts";
import type {
  BackendTraits,
  Batch,
  Changes,
  ClaimOptions,
  CommitResult,
  Delivery,
  Entry,
  Health,
  ListOptions,
  MessageListOptions,
  MessageState,
  QueueStats,
  StorageBackend,
  StoredMessage,
  Unlisten,
} from "../storage/backend.ts";
import type { Key } from "../storage/key.ts";

/** How calls fail: not at all; before they reach the store; a commit after it was done; or by no answer at all. */
export type Fault = "none" | "unreachable" | "reply lost" | "silent";

/** Passes every call on, save where it is to fail. */
export class WatchedBackend implements StorageBackend {
  readonly #inner: StorageBackend;
  /** How calls fail from now on. */
  fault: Fault = "none";
  /** How many calls were made, `listen` and `close` aside. */
  calls = 0;

  /** Puts itself before a backend. */
  constructor(inner: StorageBackend) {
    this.#inner = inner;
  }

  get name(): string {
    return this.#inner.name;
  }

  get traits(): BackendTraits {
    return this.#inner.traits;
  }

  get(keys: readonly Key[]): Promise<(Entry | null)[]> {
    return this.#pass(() => this.#inner.get(keys));
  }

  list(prefix: Key, options?: ListOptions): AsyncIterable<Entry> {
    this.calls++;
    return this.#inner.list(prefix, options);
  }

  changes(parent: Key, after?: string): Promise<Changes> {
    return this.#pass(() => this.#inner.changes(parent, after));
  }

  count(prefix: Key): Promise<number> {
    return this.#pass(() => this.#inner.count(prefix));
  }

  clear(prefix: Key): Promise<number> {
    return this.#pass(() => this.#inner.clear(prefix));
  }

  commit(batch: Batch): Promise<CommitResult> {
    return this.#pass(() => this.#inner.commit(batch), true);
  }

  claim(queue: Key, options: ClaimOptions): Promise<Delivery[]> {
    return this.#pass(() => this.#inner.claim(queue, options));
  }

  recover(queue?: Key): Promise<number> {
    return this.#pass(() => this.#inner.recover(queue));
  }

  messages(queue: Key, state: MessageState, options?: MessageListOptions): AsyncIterable<StoredMessage> {
    this.calls++;
    return this.#inner.messages(queue, state, options);
  }

  stats(queue: Key): Promise<QueueStats> {
    return this.#pass(() => this.#inner.stats(queue));
  }

  queues(prefix?: Key): AsyncIterable<Key> {
    this.calls++;
    return this.#inner.queues(prefix);
  }

  listen(topic: Key, wake: () => void): Promise<Unlisten> {
    if (this.fault === "unreachable" || this.fault === "silent") return this.#fail();
    // Who cannot reach the store is not woken by it either.
    return this.#inner.listen(topic, () => this.fault === "none" && wake());
  }

  ping(): Promise<Health> {
    return this.#inner.ping();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #pass<Result>(call: () => Promise<Result>, isCommit = false): Promise<Result> {
    this.calls++;
    if (this.fault === "unreachable" || this.fault === "silent") return await this.#fail();
    const result = await call();
    if (this.fault === "none" || !isCommit) return result;
    throw new OutcomeUnknownError("Cannot tell what became of the commit: its reply was lost");
  }

  #fail(): Promise<never> {
    return this.fault === "silent"
      ? new Promise(() => {})
      : Promise.reject(new BackendUnavailableError("Cannot reach the store: a test has cut it off"));
  }
}
