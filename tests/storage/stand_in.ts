/** A backend of which a test replaces some methods, for what an engine does seldom: to fail, to lag, to answer late. @module */

import type { StorageBackend } from "../../src/storage/backend.ts";

/** The backend with these methods in place of its own; they may be exchanged while the test goes on. */
export function standIn(backend: StorageBackend, methods: Partial<StorageBackend>): StorageBackend {
  return new Proxy(backend, {
    get(target, name) {
      const own: unknown = Reflect.get(methods, name);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Lets every promise callback run, but no timer. */
export async function turn(): Promise<void> {
  for (let times = 0; times < 50; times++) await Promise.resolve();
}
