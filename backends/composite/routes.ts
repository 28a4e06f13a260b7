/** Which child serves which key: the route with the longest prefix. @module */

import { CrossBackendError } from "../../src/errors.ts";
import type { Batch, StorageBackend } from "../../src/storage/backend.ts";
import { requireBatch } from "../../src/storage/batch.ts";
import { encodeKey, isBelow, type Key } from "../../src/storage/key.ts";

/** A prefix and who serves it, and all below it, unless a longer prefix matches. */
export interface ResolvedRoute {
  readonly prefix: Key;
  readonly backend: StorageBackend;
}

/** Routes, the longest prefix first; the last has the empty prefix and takes what is left. */
export class Routes<Route extends ResolvedRoute = ResolvedRoute> {
  readonly #routes: readonly Route[];
  readonly #rest: Route;

  /**
   * Sorts routes.
   *
   * @throws {TypeError} When two routes have the same prefix.
   */
  constructor(rest: Route, routes: readonly Route[]) {
    const prefixes = routes.map(({ prefix }) => encodeKey(prefix));
    const twice = prefixes.find((prefix, index) => prefix === "" || prefixes.indexOf(prefix) !== index);
    if (twice !== undefined) {
      throw new TypeError("Cannot use routes: every prefix must be different, and not be empty: that is the default's");
    }
    this.#rest = rest;
    this.#routes = [...routes].sort((a, b) => b.prefix.length - a.prefix.length);
  }

  /** Every child, each once. */
  get children(): StorageBackend[] {
    return [...new Set([this.#rest, ...this.#routes].map((route) => route.backend))];
  }

  /** The route of one key. */
  routeOf(key: Key): Route {
    for (let index = 0; index < this.#routes.length; index++) {
      const route = this.#routes[index];
      if (route && startsWith(key, route.prefix)) return route;
    }
    return this.#rest;
  }

  /** Who serves one key. */
  of(key: Key): StorageBackend {
    return this.routeOf(key).backend;
  }

  /** Who serves whatever lies below a prefix: several where a route begins below it. */
  below(prefix: Key): StorageBackend[] {
    encodeKey(prefix); // which says what is wrong with a prefix that is none
    const inside = this.#routes.filter((route) => isBelow(route.prefix, prefix)).map((route) => route.backend);
    return [...new Set([this.of(prefix), ...inside])];
  }

  /**
   * Who serves whatever lies below a prefix, when it is one.
   *
   * @throws {CrossBackendError} When it is several.
   */
  oneBelow(prefix: Key): StorageBackend {
    const [first = this.#rest.backend, ...others] = this.below(prefix);
    if (others.length > 0) {
      throw new CrossBackendError(
        "query below a prefix",
        [first, ...others].map(({ name }) => name),
      );
    }
    return first;
  }

  /** Who serves all of these keys, `null` when it is several. */
  ofAll(keys: readonly Key[]): StorageBackend | null {
    // What is no array of keys, any child refuses.
    const first = Array.isArray(keys) ? keys[0] : undefined;
    if (this.#routes.length === 0 || first === undefined) return this.#rest.backend;
    const child = this.of(first);
    for (let index = 1; index < keys.length; index++) if (this.of(keys[index] ?? first) !== child) return null;
    return child;
  }

  /**
   * Who serves all of a batch.
   *
   * @throws {CrossBackendError} When no child serves all of it.
   * @throws {TypeError} When it is no batch.
   */
  ofBatch(batch: Batch): StorageBackend {
    const { checks, operations, notify } = requireBatch(batch);
    if (this.#routes.length === 0) return this.#rest.backend;
    let child: StorageBackend | null = null;
    for (let index = 0; index < operations.length; index++) {
      const operation = operations[index];
      if (operation) child = this.#join(child, "queue" in operation ? operation.queue : operation.key);
    }
    if (checks) { for (const { key } of checks) child = this.#join(child, key); }
    if (notify) { for (const topic of notify) child = this.#join(child, topic); }
    return child ?? this.#rest.backend;
  }

  #join(child: StorageBackend | null, key: Key): StorageBackend {
    const next = this.of(key);
    if (child !== null && child !== next) throw new CrossBackendError("commit a batch", [child.name, next.name]);
    return next;
  }
}

function startsWith(key: Key, prefix: Key): boolean {
  if (!Array.isArray(key)) encodeKey(key); // which says what is wrong with it
  if (key.length < prefix.length) return false;
  for (let index = 0; index < prefix.length; index++) if (key[index] !== prefix[index]) return false;
  return true;
}
