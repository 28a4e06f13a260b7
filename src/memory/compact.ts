/** Replaces old entries of conversations by summaries, each in one atomic step. @module */

import {
  DURATION,
  type OptionNames,
  POSITIVE_DURATION,
  requireFunction,
  requireNumber,
  requireOptions,
  requireString,
} from "../check.ts";
import type { Clock } from "../clock.ts";
import { randomId } from "../ids.ts";
import type { StorageBackend } from "../storage/backend.ts";
import { mergeBatches } from "../storage/batch.ts";
import { partsOf } from "../storage/parts.ts";
import { checkEntry, type EntryStore, type ReadEntry, toMemoryEntry } from "./entry_store.ts";
import type { Compacted, CompactOptions } from "./model.ts";

const OPTIONS: OptionNames<CompactOptions> = {
  olderThanMs: true,
  summarize: true,
  session: true,
  minEntries: true,
  ttlMs: true,
};

/**
 * Groups old entries by conversation, has each group summarised, and commits each summary together with the deletions.
 *
 * @throws {TypeError | RangeError} When an option breaks its rule, or a summary is no JSON.
 */
export async function compactEntries(
  store: EntryStore,
  backend: StorageBackend,
  clock: Clock,
  options: CompactOptions,
): Promise<Compacted> {
  requireOptions("compact()", options, OPTIONS);
  const { olderThanMs, summarize, session, minEntries = 2, ttlMs } = options;
  requireNumber("olderThanMs", olderThanMs, DURATION);
  requireFunction("summarize", summarize);
  if (session !== undefined) requireString("session", session, 0, Infinity);
  requireNumber("minEntries", minEntries, { min: 1, max: Infinity, integer: true });
  if (ttlMs !== undefined) requireNumber("ttlMs", ttlMs, POSITIVE_DURATION);

  const beforeMs = clock.now() - olderThanMs;
  const sessions = new Map<string, ReadEntry[]>();
  for await (const entry of store.intact()) {
    if (entry.session === null || (session !== undefined && entry.session !== session)) continue;
    if (entry.updatedAtMs > beforeMs) continue;
    const entries = sessions.get(entry.session) ?? [];
    sessions.set(entry.session, entries);
    entries.push(entry);
  }
  // A check and two deletions for each entry, two operations for the summary.
  const maxGroup = Math.floor((backend.traits.maxBatchSize - 2) / 3);
  const summaries: string[] = [];
  let [replaced, skipped] = [0, 0];
  for (const [name, entries] of sessions) {
    if (entries.length < minEntries) continue;
    entries.sort(byPosition);
    for (const group of partsOf(entries, maxGroup)) {
      const key = await replace(store, backend, name, group, options);
      if (key === null) skipped += group.length;
      else {
        summaries.push(key);
        replaced += group.length;
      }
    }
  }
  return { summaries, replaced, skipped };
}

/** The key of the summary; `null` when one of the entries was written in the meantime. */
async function replace(
  store: EntryStore,
  backend: StorageBackend,
  session: string,
  group: readonly ReadEntry[],
  { summarize, ttlMs }: CompactOptions,
): Promise<string | null> {
  const value = await summarize(group.map(toMemoryEntry), session);
  const key = `${session}:summary-${randomId()}`;
  const last = group.at(-1);
  const summary = checkEntry({
    key,
    value,
    // Where the last of them stood, in the conversation that they belonged to. The key implies it, as theirs may have.
    ...(group.some(({ stored }) => stored.session !== undefined) && { session }),
    ...(last && { order: last.stored.order ?? last.createdAtMs }),
    ...(ttlMs !== undefined && { ttlMs }),
  });
  const addition = await store.prepareAdd(summary);
  const removals = {
    checks: group.map((entry) => ({ key: store.keys.entry(entry.key), version: entry.version })),
    operations: group.flatMap((entry) => store.deletions(entry.key)),
  };
  const result = await backend.commit(mergeBatches(addition, removals));
  return result.committed ? key : null;
}

/** Where nothing tells them apart, they stay in the order of their keys, in which they were read. */
function byPosition(a: ReadEntry, b: ReadEntry): number {
  const [left, right] = [a.stored.order ?? a.createdAtMs, b.stored.order ?? b.createdAtMs];
  return left - right || a.stored.sequence - b.stored.sequence;
}
