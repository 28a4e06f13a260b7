/** What operators do with a mailbox: look at its dead letters, put them back, remove messages. @module */

import {
  DURATION,
  type OptionNames,
  requireArray,
  requireFunction,
  requireNumber,
  requireOptions,
  requireStrings,
} from "../check.ts";
import type { MessageState, StorageBackend } from "../storage/backend.ts";
import type { Key } from "../storage/key.ts";
import { partsOf } from "../storage/parts.ts";
import { toDeadLetter } from "./envelope.ts";
import type { DeadLetter } from "./model.ts";

/** Which dead letters are meant; each condition narrows. */
export interface DeadLetterFilter {
  /** Those with these message ids; put back in this order where no other condition is given. */
  readonly ids?: readonly string[];
  /** Those for which this holds. */
  readonly where?: (deadLetter: DeadLetter) => boolean;
  /** At most so many, the oldest first: an integer from 0, or `Infinity`. @default {Infinity} */
  readonly limit?: number;
}

/** Which messages are to be removed; each condition narrows. */
export interface PurgeFilter {
  /** Those in these states. @default {all four} */
  readonly states?: readonly MessageState[];
  /** Those with these message ids. */
  readonly ids?: readonly string[];
  /** Those that were accepted longer ago than this, in milliseconds, dead letters too. @default {0, of any age} */
  readonly olderThanMs?: number;
}

const ALL_STATES: readonly MessageState[] = ["dead", "delayed", "ready", "leased"];

/** The dead letters of a queue, the oldest first. */
export async function* deadLetters(
  backend: StorageBackend,
  queue: Key,
  { limit = Infinity }: { readonly limit?: number },
): AsyncGenerator<DeadLetter> {
  for await (const stored of backend.messages(queue, "dead", { limit })) {
    const deadLetter = toDeadLetter(stored);
    if (deadLetter) yield deadLetter;
  }
}

/** Puts dead letters back into the line and tells how many. */
export async function redrive(backend: StorageBackend, queue: Key, filter: DeadLetterFilter): Promise<number> {
  const { where, limit = Infinity } = requireFilter("redrive", filter, {
    ids: requireStrings,
    where: requireFunction,
    limit: true,
  });
  const ids: string[] = [];
  const wanted = filter.ids && new Set(filter.ids);
  if (wanted && !where && limit === Infinity) return await forEachId(backend, queue, "redrive", [...wanted]);
  // Where nothing else narrows, no more is read than is meant.
  const page = wanted || where ? {} : { limit };
  for await (const stored of backend.messages(queue, "dead", page)) {
    if (ids.length >= limit) break;
    if (wanted && !wanted.has(stored.id)) continue;
    const deadLetter = toDeadLetter(stored);
    if (!where || (deadLetter && where(deadLetter))) ids.push(stored.id);
  }
  return await forEachId(backend, queue, "redrive", ids);
}

/** Removes messages and tells how many. */
export async function purge(backend: StorageBackend, queue: Key, filter: PurgeFilter, now: number): Promise<number> {
  const { states, olderThanMs = 0 } = requireFilter("purge", filter, {
    states: requireArray,
    ids: requireStrings,
    olderThanMs: true,
  });
  requireNumber("olderThanMs", olderThanMs, DURATION);
  const wanted = filter.ids && new Set(filter.ids);
  if (wanted && !states && olderThanMs === 0) return await forEachId(backend, queue, "purge", [...wanted]);
  const isMeant = (id: string, enqueuedAtMs: number) =>
    (!wanted || wanted.has(id)) && (olderThanMs === 0 || enqueuedAtMs < now - olderThanMs);
  const ids = new Set<string>();
  for (const state of states ?? ALL_STATES) {
    for await (const { id, enqueuedAtMs } of backend.messages(queue, state)) if (isMeant(id, enqueuedAtMs)) ids.add(id);
  }
  return await forEachId(backend, queue, "purge", [...ids]);
}

/** A misspelt condition would widen what is meant, up to everything. */
function requireFilter<Filter extends DeadLetterFilter | PurgeFilter>(
  taker: string,
  filter: Filter,
  names: OptionNames<Filter>,
): Filter {
  requireOptions(`${taker}()`, filter, names);
  const limit: unknown = Reflect.get(filter, "limit");
  if (limit !== undefined && limit !== Infinity) {
    requireNumber("limit", limit, { min: 0, max: Number.MAX_SAFE_INTEGER, integer: true });
  }
  return filter;
}

/** Commits one operation for each id, in batches, and counts those that found their message. */
async function forEachId(
  backend: StorageBackend,
  queue: Key,
  type: "redrive" | "purge",
  ids: readonly string[],
): Promise<number> {
  let found = 0;
  for (const part of partsOf(ids, backend.traits.maxBatchSize)) {
    const operations = part.map((id) => ({ type, queue, id }));
    const result = await backend.commit({ operations });
    if (result.committed) found += result.results.filter((each) => each.type === type && each.found).length;
  }
  return found;
}
