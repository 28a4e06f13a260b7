/** The composite backend: a router over other backends, by key prefix, with fallbacks and caches. @module */

import { requireBackend, requireFunction, requireOptions } from "../src/check.ts";
import { type Clock, systemClock } from "../src/clock.ts";
import { BackendClosedError, tellSafely } from "../src/errors.ts";
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
} from "../src/storage/backend.ts";
import { collect } from "../src/storage/es2024.ts";
import { compareEncoded, encodeKey, type Key } from "../src/storage/key.ts";
import type { AbandonedWrites } from "./composite/abandon.ts";
import { CachedBackend } from "./composite/cache.ts";
import { FallbackBackend } from "./composite/fallback.ts";
import {
  CHILD_OPTIONS,
  COMPOSITE_OPTIONS,
  type CompositeChild,
  type CompositeOptions,
  isBackend,
  ROUTE_OPTIONS,
} from "./composite/options.ts";
import type { RouteStatus } from "./composite/route_status.ts";
import { type ResolvedRoute, Routes } from "./composite/routes.ts";
import type { FallbackChange, Serving } from "./composite/switch.ts";
import { combineTraits } from "./composite/traits.ts";

export type {
  CacheOptions,
  CompositeChild,
  CompositeOptions,
  CompositeRoute,
  FallbackOptions,
} from "./composite/options.ts";
export type { AbandonedWrites, RouteStatus, Serving };

/**
 * A router that is itself a backend. A batch, and a query below a prefix, must be served by one child; what would span
 * several is refused with `CROSS_BACKEND_BATCH`. Closing it closes its children.
 *
 * @example
 * ```ts
 * import { MemoryBackend } from "@tta/agent-coordination/memory";
 * import { CompositeBackend } from "@tta/agent-coordination/composite";
 *
 * await using backend = new CompositeBackend({
 *   default: new MemoryBackend(), // a shared one, in earnest
 *   routes: [{ prefix: ["scratch"], backend: new MemoryBackend() }],
 * });
 * await backend.commit({ operations: [{ type: "set", key: ["scratch", "note"], value: "only here" }] });
 * console.log(await backend.count(["scratch"])); // 1
 * ```
 */
export class CompositeBackend implements StorageBackend {
  readonly name: string;
  readonly traits: BackendTraits;
  readonly #routes: Routes<Part>;
  readonly #parts: readonly Part[];
  readonly #listeners = new Set<(status: RouteStatus) => void>();
  readonly #clock: Clock;
  readonly #startedAtMs: number;
  #closed = false;

  /**
   * Makes a router over backends that are open.
   *
   * @throws {TypeError | RangeError} When an option breaks its rule, two routes have the same prefix, one is empty, or
   * a fallback is not its part's own.
   */
  constructor(options: CompositeOptions) {
    requireOptions("CompositeBackend", options, COMPOSITE_OPTIONS);
    const { default: given, routes = [], clock = systemClock } = options;
    this.#clock = clock;
    this.#startedAtMs = clock.now();
    for (const route of routes) {
      requireOptions("a route", route, ROUTE_OPTIONS);
      encodeKey(route.prefix); // which says what is wrong with a prefix that is none
    }
    if (!isBackend(given)) requireOptions("the default", given, CHILD_OPTIONS);
    const rest = isBackend(given) ? { backend: given } : given;
    const resolved = routes.map((route) => this.#resolve(route.prefix, route));
    const resolvedRest = this.#resolve([], rest);
    requireOwnFallbacks([rest, ...routes]);
    this.#parts = [...resolved, resolvedRest];
    this.#routes = new Routes(resolvedRest, resolved);
    this.name = `composite of ${this.#routes.children.map((child) => child.name).join(", ")}`;
    this.traits = combineTraits(this.#routes.children);
  }

  /** Who serves each part of the keys, since when and why. */
  status(): RouteStatus[] {
    return this.#parts.map((part) => this.#statusOf(part));
  }

  /** Who serves a key, and what is below it as far as no longer prefix matches. */
  statusOf(key: Key): RouteStatus {
    encodeKey(key); // which says what is wrong with it
    return this.#statusOf(this.#routes.routeOf(key));
  }

  /** Calls `listener` whenever another backend serves a part of the keys, until the returned function is called. */
  onStatus(listener: (status: RouteStatus) => void): () => void {
    requireFunction("listener", listener);
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * Gives up what the fallback of a part holds and its backend lacks, for where that can never be brought over: the
   * fallback is lost, or the backend refuses what it holds. The part is that of `key`, as for {@linkcode statusOf}. Its
   * calls wait meanwhile; then its backend serves as soon as it answers. The fallback is emptied, and serves again.
   *
   * @throws {TypeError} When that part has no fallback.
   */
  async abandonWrites(key: Key): Promise<AbandonedWrites> {
    this.#requireOpen();
    encodeKey(key); // which says what is wrong with it
    const { name, fallback } = this.#routes.routeOf(key);
    if (fallback === null) throw new TypeError(`Cannot give up writes: the backend "${name}" has no fallback here`);
    return await fallback.abandon();
  }

  // The calls that matter for speed hand on the child's own promise: one more await would cost more than the routing.

  get(keys: readonly Key[]): Promise<(Entry | null)[]> {
    try {
      this.#requireOpen();
      const child = this.#routes.ofAll(keys);
      return child ? child.get(keys) : this.#getFromSeveral(keys);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  commit(batch: Batch): Promise<CommitResult> {
    try {
      this.#requireOpen();
      return this.#routes.ofBatch(batch).commit(batch);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  claim(queue: Key, options: ClaimOptions): Promise<Delivery[]> {
    try {
      this.#requireOpen();
      return this.#routes.of(queue).claim(queue, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async *list(prefix: Key, options?: ListOptions): AsyncGenerator<Entry> {
    this.#requireOpen();
    yield* this.#routes.oneBelow(prefix).list(prefix, options);
  }

  async count(prefix: Key): Promise<number> {
    this.#requireOpen();
    return await this.#routes.oneBelow(prefix).count(prefix);
  }

  async changes(parent: Key, after?: string): Promise<Changes> {
    this.#requireOpen();
    return await this.#routes.oneBelow(parent).changes(parent, after);
  }

  async clear(prefix: Key): Promise<number> {
    this.#requireOpen();
    return await this.#routes.oneBelow(prefix).clear(prefix);
  }

  async recover(queue?: Key): Promise<number> {
    this.#requireOpen();
    if (queue !== undefined) return await this.#routes.of(queue).recover(queue);
    const counts = await Promise.all(this.#routes.children.map((child) => child.recover()));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async *messages(queue: Key, state: MessageState, options?: MessageListOptions): AsyncGenerator<StoredMessage> {
    this.#requireOpen();
    yield* this.#routes.of(queue).messages(queue, state, options);
  }

  async stats(queue: Key): Promise<QueueStats> {
    this.#requireOpen();
    return await this.#routes.of(queue).stats(queue);
  }

  /** The queues of all children below the prefix: what each of them holds says nothing about another. */
  async *queues(prefix: Key = []): AsyncGenerator<Key> {
    this.#requireOpen();
    const all = await Promise.all(this.#routes.below(prefix).map((child) => collect(child.queues(prefix))));
    yield* all.flat().sort((a, b) => compareEncoded(encodeKey(a), encodeKey(b)));
  }

  async listen(topic: Key, wake: () => void): Promise<Unlisten> {
    this.#requireOpen();
    return await this.#routes.of(topic).listen(topic, wake);
  }

  /** As healthy as its least healthy child. */
  async ping(): Promise<Health> {
    if (this.#closed) return { healthy: false, latencyMs: 0, error: new BackendClosedError(this.name).message };
    const all = await Promise.all(this.#routes.children.map((child) => child.ping()));
    const latencyMs = Math.max(...all.map((health) => health.latencyMs));
    return { latencyMs, healthy: true, ...all.find((health) => !health.healthy) };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#listeners.clear();
    await Promise.all(this.#routes.children.map((child) => child.close()));
  }

  /** The same as {@linkcode close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #getFromSeveral(keys: readonly Key[]): Promise<(Entry | null)[]> {
    const entries: (Entry | null)[] = keys.map(() => null);
    const children = [...new Set(keys.map((key) => this.#routes.of(key)))];
    await Promise.all(children.map(async (child) => {
      const positions = keys.flatMap((key, index) => this.#routes.of(key) === child ? [index] : []);
      const found = await child.get(positions.map((index) => keys[index] ?? []));
      positions.forEach((index, position) => entries[index] = found[position] ?? null);
    }));
    return entries;
  }

  #requireOpen(): void {
    if (this.#closed) throw new BackendClosedError(this.name);
  }

  /** A child with what stands in front of it: its fallback, and before that its cache. */
  #resolve(prefix: Key, { backend, fallback, cache }: CompositeChild): Part {
    requireBackend("backend", backend);
    const { name } = backend;
    let withFallback: FallbackBackend | null = null;
    let cached: CachedBackend | null = null;
    if (fallback !== undefined) {
      const options = isBackend(fallback) ? { fallback } : fallback;
      const tell = (change: FallbackChange) => {
        cached?.forgetAll(); // what one of both has says nothing about the other
        this.#tell({ prefix, backend: name, fallback: options.fallback.name, ...change });
      };
      withFallback = new FallbackBackend(backend, options, this.#clock, tell);
    }
    const served = withFallback ?? backend;
    if (cache !== undefined) cached = new CachedBackend(served, prefix, cache, this.#clock);
    return { prefix, name, fallback: withFallback, backend: cached ?? served };
  }

  #statusOf({ prefix, name, fallback }: Part): RouteStatus {
    const change = fallback?.status ??
      { serving: "primary", sinceMs: this.#startedAtMs, reason: "it has no fallback", journalled: 0 };
    return { prefix, backend: name, fallback: fallback?.fallbackName ?? null, ...change };
  }

  #tell(status: RouteStatus): void {
    for (const listener of this.#listeners) tellSafely(() => listener(status));
  }
}

/** A part of the keys: who is to serve it, and what stands in front of that. */
interface Part extends ResolvedRoute {
  /** The name of the backend that is to serve it. */
  readonly name: string;
  readonly fallback: FallbackBackend | null;
}

/** In the fallback stands what its own part has to catch up on: another part would take that for its own. */
function requireOwnFallbacks(children: readonly CompositeChild[]): void {
  const taken = new Set(children.map(({ backend }) => backend));
  for (const { fallback } of children) {
    if (fallback === undefined) continue;
    const own = isBackend(fallback) ? fallback : fallback.fallback;
    if (taken.has(own)) throw new TypeError("Cannot use fallback: it serves another part already");
    taken.add(own);
  }
}
