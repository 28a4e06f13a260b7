/** The memory of agents on any backend: values under keys, found again by what they say. @module */

import {
  type OptionNames,
  POSITIVE_DURATION,
  requireArray,
  requireClock,
  requireFunction,
  requireMethods,
  requireNamespace,
  requireNumber,
  requireOptions,
  requireOptionsObject,
} from "../check.ts";
import { type Clock, systemClock } from "../clock.ts";
import { BackendClosedError, CommitRefusedError } from "../errors.ts";
import type { Batch, StorageBackend } from "../storage/backend.ts";
import type { JsonValue } from "../storage/json.ts";
import { encodeKey, type Key, toNamespace } from "../storage/key.ts";
import { UnderWay } from "../storage/under_way.ts";
import { compactEntries } from "./compact.ts";
import { CheckedEmbedder } from "./embedding.ts";
import { checkEntry, EntryStore, toMemoryEntry } from "./entry_store.ts";
import { MemoryKeys } from "./keys.ts";
import type {
  AddOptions,
  Compacted,
  CompactOptions,
  Embedder,
  EntriesOptions,
  MemoryBackendInfo,
  MemoryChange,
  MemoryEntry,
  MemoryVersion,
  NewEntry,
  Recalled,
  RecallOptions,
  SearchHit,
  SearchOptions,
  SessionHit,
} from "./model.ts";
import { Replica } from "./replica.ts";
import { Searcher } from "./searcher.ts";
import { Analyzer, type AnalyzerOptions } from "./text.ts";
import { Watches } from "./watches.ts";
import { Writer } from "./writer.ts";

/** How a memory behaves, wherever it is kept. */
export interface MemoryOptions {
  /** Only entries of the same namespace are seen: equal in all its parts; a string is one part. @default {[]} */
  readonly namespace?: string | Key;
  /** Finds by meaning what words do not find. @default {none: words have to do} */
  readonly embedder?: Embedder;
  /** How long the embedder may take for a call, in milliseconds. @default {30_000} */
  readonly embedTimeoutMs?: number;
  /** How text becomes words. @default {English} */
  readonly analyzer?: AnalyzerOptions;
  /** How many former versions of each entry are kept, 0 to 1000. @default {0} */
  readonly history?: number;
  /** From how many characters of JSON on values are compressed. @default {8192} */
  readonly compressAbove?: number;
  /** The source of time. @default {systemClock} */
  readonly clock?: Clock;
}

/** Where a memory is kept. */
export interface MemorySource {
  /** The backend; the same one at every call. */
  open(): Promise<StorageBackend>;
  /** What there is to say about it, for entries below a key. */
  info(entries: Key): Omit<MemoryBackendInfo, "namespace">;
  /**
   * Whether an entry that is not found below a key may be there all the same, out of reach for now. @default {none is}
   */
  mayMiss?(entries: Key): boolean;
  /** Closes what belongs to the memory alone. */
  close(): Promise<void>;
}

/** The options of a memory, for those who take them with others. */
export const MEMORY_OPTIONS: OptionNames<MemoryOptions> = {
  namespace: requireNamespace,
  embedder: true,
  embedTimeoutMs: true,
  analyzer: true,
  history: true,
  compressAbove: true,
  clock: requireClock,
};

const requireSource = requireMethods("a memory source", "open", "info", "close");

/**
 * A memory on a backend that is already known. `MemoryPrimitive` finds one by itself.
 *
 * Whatever a call cannot take is refused before anything is done, with a `TypeError` or `RangeError` that names the
 * field and the rule; and calls reject with what the backend throws.
 */
export class Memory implements AsyncDisposable {
  readonly #source: MemorySource;
  readonly #options: MemoryOptions;
  readonly #keys: MemoryKeys;
  readonly #store: EntryStore;
  readonly #writer: Writer;
  readonly #replica: Replica;
  readonly #searcher: Searcher;
  readonly #watches: Watches;
  readonly #clock: Clock;
  readonly #underWay = new UnderWay();
  #closing: Promise<void> | null = null;

  /**
   * Makes a memory; nothing is read or written yet.
   *
   * @throws {TypeError | RangeError} When an option breaks its rule.
   */
  constructor(source: MemorySource, options: MemoryOptions = {}) {
    requireSource("source", source);
    requireOptions("Memory", options, MEMORY_OPTIONS);
    const { namespace = [], embedTimeoutMs = 30_000, history = 0, compressAbove = 8192, clock = systemClock } = options;
    requireNumber("embedTimeoutMs", embedTimeoutMs, POSITIVE_DURATION);
    requireNumber("history", history, { min: 0, max: 1000, integer: true });
    requireNumber("compressAbove", compressAbove, { min: 0, max: Infinity });
    const embedder = options.embedder === undefined
      ? null
      : new CheckedEmbedder(options.embedder, embedTimeoutMs, clock);
    const analyzer = new Analyzer(options.analyzer);
    const keys = new MemoryKeys(toNamespace(namespace));
    const backend = () => source.open();
    this.#source = source;
    this.#options = options;
    this.#clock = clock;
    this.#keys = keys;
    this.#store = new EntryStore({ backend, keys, clock, embedder, history, compressAbove });
    this.#writer = new Writer(this.#store, () => source.mayMiss?.(keys.entries) ?? false);
    this.#replica = new Replica({ backend, keys, analyzer, dimensions: embedder?.dimensions ?? 0 });
    this.#searcher = new Searcher({ store: this.#store, replica: this.#replica, analyzer, embedder, clock });
    this.#watches = new Watches(backend, keys.entries, this.#replica, clock);
  }

  /**
   * Stores a value, replacing the one with this key. It is found as soon as this resolves.
   *
   * @throws {TypeError | RangeError} When JSON cannot carry the value, or an option breaks its rule.
   * @throws {CoordinationError} `EMBEDDING_FAILED`; nothing is stored then. And what the backend throws.
   */
  async add(key: string, value: JsonValue, options: AddOptions = {}): Promise<void> {
    requireOptionsObject("add()", options);
    await this.addMany([{ ...options, key, value }]);
  }

  /**
   * Stores several values in their order, as many in one atomic step as fit, up to 100; one at a time where former
   * versions are kept.
   *
   * @throws {TypeError | RangeError | CoordinationError} As {@linkcode add}.
   */
  async addMany(entries: readonly NewEntry[]): Promise<void> {
    requireArray("entries", entries);
    const checked = Array.from(entries, checkEntry);
    // A key that no engine takes must not be found out when others are stored already.
    for (const { key } of checked) encodeKey(this.#store.history > 0 ? this.#keys.history(key) : this.#keys.entry(key));
    await this.#run((backend) => this.#writer.addMany(backend, checked));
  }

  /**
   * What {@linkcode add} would commit, to be committed together with something else, such as an acknowledgement:
   * `message.ack({ also: await memory.prepareAdd(key, value) })`. Where former versions are kept, the step is refused
   * when somebody else writes the entry in between.
   *
   * @throws {TypeError | RangeError | CoordinationError} As {@linkcode add}.
   */
  async prepareAdd(key: string, value: JsonValue, options: AddOptions = {}): Promise<Batch> {
    requireOptionsObject("prepareAdd()", options);
    const checked = checkEntry({ ...options, key, value });
    return await this.#run(() => this.#store.prepareAdd(checked));
  }

  /**
   * A copy of the value with this key; `undefined` when there is none, or none within reach while a fallback serves.
   */
  get(key: string): Promise<JsonValue | undefined> {
    return this.#run(async () => (await this.#store.get(key))?.value);
  }

  /** Copies of the values with these keys, `undefined` where there is none. */
  getMany(keys: readonly string[]): Promise<(JsonValue | undefined)[]> {
    return this.#run(async () => {
      requireArray("keys", keys);
      return (await this.#store.getMany(keys)).map((entry) => entry?.value);
    });
  }

  /**
   * Replaces a value by what `change` makes of it, and gives that back. Nothing that others write in between is lost:
   * `change` is called again then, with what they wrote. It is given `undefined` when there is no entry, and leaves
   * things as they are by returning `undefined`. The entry expires when it would have, unless `ttlMs` is given. Updates
   * of one entry wait for one another in this process: `change` must not update the entry that it is about.
   *
   * @throws {TypeError | RangeError | CoordinationError} As {@linkcode add}, and what `change` throws.
   * `BACKEND_UNAVAILABLE` when the entry is not found, but may be in a store that went away.
   */
  async update(
    key: string,
    change: (value: JsonValue | undefined) => JsonValue | undefined | Promise<JsonValue | undefined>,
    options: { readonly ttlMs?: number } = {},
  ): Promise<JsonValue | undefined> {
    requireFunction("change", change);
    requireOptions("update()", options, { ttlMs: true });
    const { ttlMs } = options;
    if (ttlMs !== undefined) requireNumber("ttlMs", ttlMs, POSITIVE_DURATION);
    return await this.#run((backend) => this.#writer.update(backend, key, change, ttlMs));
  }

  /** Deletes an entry and its former versions, and tells whether there was one. */
  delete(key: string): Promise<boolean> {
    return this.#run(async (backend) => {
      const result = await backend.commit({ operations: this.#store.deletions(key), notify: [this.#keys.entries] });
      if (!result.committed) throw new CommitRefusedError("delete the entry", result.reason);
      const [deleted] = result.results;
      return deleted?.type === "delete" && deleted.existed;
    });
  }

  /** The former versions of an entry, the newest first; as many as the memory was told to keep. */
  history(key: string): Promise<MemoryVersion[]> {
    return this.#run(() => this.#store.versions(key));
  }

  /**
   * The entries that fit a query best, best first. Any of its words may be missing, and the last one may be unfinished;
   * there are no operators and no wildcards, and no misspelling is seen through. Stop-words ("the", "who", "may") find
   * nothing: a memory that is asked for them is given `analyzer: { stopWords: [] }`. All texts of a value count as one.
   *
   * @throws {TypeError | RangeError} When an option breaks its rule.
   * @throws {CoordinationError} `EMBEDDING_FAILED`, and what the backend throws.
   */
  search(query: string, options: SearchOptions = {}): Promise<SearchHit[]> {
    return this.#run(() => this.#searcher.search(query, options));
  }

  /**
   * The conversations that fit a query best, best first, each with its best entry.
   *
   * @throws {TypeError | RangeError | CoordinationError} As {@linkcode search}.
   */
  searchSessions(query: string, options: SearchOptions = {}): Promise<SessionHit[]> {
    return this.#run(() => this.#searcher.searchSessions(query, options));
  }

  /**
   * The best evidence for a query that fits a budget, in the order of time. What stands beside it in a conversation
   * counts, unless `neighbours` is `false`.
   *
   * @throws {TypeError | RangeError | CoordinationError} As {@linkcode search}.
   */
  recall(query: string, options: RecallOptions): Promise<Recalled> {
    return this.#run(() => this.#searcher.recall(query, options));
  }

  /** All keys, in their order by code points. */
  keys(options: EntriesOptions = {}): Promise<string[]> {
    return this.#run(async () => {
      const keys: string[] = [];
      for await (const key of this.#store.names(options)) keys.push(key);
      return keys;
    });
  }

  /** The entries in the order of their keys, read in pages. */
  async *entries(options: EntriesOptions = {}): AsyncGenerator<MemoryEntry> {
    this.#requireOpen();
    for await (const entry of this.#store.entries(options)) {
      yield toMemoryEntry(entry);
      this.#requireOpen();
    }
  }

  /** How many entries there are. */
  size(): Promise<number> {
    return this.#run((backend) => backend.count(this.#keys.entries));
  }

  /** Deletes all entries of the namespace, those of namespaces within it aside, and tells how many they were. */
  clear(): Promise<number> {
    return this.#run(async (backend) => {
      const cleared = await backend.clear(this.#keys.entries);
      await backend.clear(this.#keys.histories);
      await backend.commit({ operations: [], notify: [this.#keys.entries] });
      return cleared;
    });
  }

  /**
   * Calls `listener` for each entry that is written or deleted from now on, by whatever process, until the returned
   * function is called: mostly at once, and where a wake-up was lost after a second. Of changes that follow one another
   * quickly the last one may be all that is seen; that an entry expires is not told. What is out of reach while a
   * fallback serves counts as deleted until it is back.
   */
  watch(
    listener: (change: MemoryChange) => void,
    options: { readonly prefix?: string } = {},
  ): Promise<() => Promise<void>> {
    return this.#run(() => {
      requireOptions("watch()", options, { prefix: true });
      const { prefix = "" } = options;
      return this.#watches.add(listener, prefix);
    });
  }

  /**
   * Replaces what a conversation's old entries say by what `summarize` makes of it. Up to 32 entries become one
   * summary, in one atomic step: none is lost, and none is there beside its summary.
   *
   * @throws {TypeError | RangeError | CoordinationError} As {@linkcode add}, and what `summarize` throws.
   */
  compact(options: CompactOptions): Promise<Compacted> {
    return this.#run((backend) => compactEntries(this.#store, backend, this.#clock, options));
  }

  /**
   * A memory in a namespace within this one, on the same backend. It sees its own entries, and this one does not. Each
   * call makes one with an index of its own: keep the one that you search.
   */
  within(...namespace: string[]): Memory {
    const source: MemorySource = {
      open: () => this.#source.open(),
      info: (entries) => this.#source.info(entries),
      mayMiss: (entries) => this.#source.mayMiss?.(entries) ?? false,
      close: () => Promise.resolve(),
    };
    return new Memory(source, { ...this.#options, namespace: [...this.#keys.namespace, ...namespace] });
  }

  /** Whether entries are kept in Redis at the moment; known after the first call. */
  isUsingRedis(): boolean {
    return this.#source.info(this.#keys.entries).usingRedis;
  }

  /** Where entries are kept at the moment. */
  getBackendInfo(): MemoryBackendInfo {
    return { ...this.#source.info(this.#keys.entries), namespace: this.#keys.namespace };
  }

  /** Waits for the calls under way, ends all watches, and closes the backend unless the caller made it. Idempotent. */
  close(): Promise<void> {
    return this.#closing ??= (async () => {
      await Promise.all([this.#underWay.drain(), this.#watches.close()]);
      await this.#watches.close(); // one that was begun meanwhile
      await this.#source.close();
    })();
  }

  /** The same as {@linkcode close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #requireOpen(): void {
    if (this.#closing) throw new BackendClosedError("memory");
  }

  async #run<Result>(work: (backend: StorageBackend) => Promise<Result>): Promise<Result> {
    this.#requireOpen();
    return await this.#underWay.run(() => this.#source.open().then(work));
  }
}
