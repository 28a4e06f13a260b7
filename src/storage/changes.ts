/** Reading what changes, from backends that tell of it and from those that do not. @module */

import type { Changes, Entry, StorageBackend } from "./backend.ts";
import type { Key } from "./key.ts";

/** What `backend.changes` gives; where there is no such method, everything there is, as if nothing had been known. */
export async function readChanges(backend: StorageBackend, parent: Key, after?: string): Promise<Changes> {
  if (backend.changes !== undefined) return await backend.changes(parent, after);
  const entries: Entry[] = [];
  for await (const entry of backend.list(parent)) {
    if (entry.key.length === parent.length + 1) entries.push(entry);
  }
  // What has expired is not listed, so that the time does not matter.
  return { entries, deleted: [], cursor: "", more: false, reset: true, nowMs: 0 };
}
