/** What a memory holds, what it is asked and what it answers. @module */

import type { JsonValue } from "../storage/json.ts";
import type { Key } from "../storage/key.ts";

/** An entry of a memory. */
export interface MemoryEntry {
  /** Names the entry. */
  readonly key: string;
  /** A copy of the value. */
  readonly value: JsonValue;
  /** When it was added, in milliseconds since the Unix epoch. */
  readonly createdAtMs: number;
  /** When it was last written. */
  readonly updatedAtMs: number;
  /** When it expires. */
  readonly expiresAtMs?: number;
  /** The conversation that it belongs to; `null` when it belongs to none. */
  readonly session: string | null;
}

/** An entry that a search found. */
export interface SearchHit {
  /** Names the entry. */
  readonly key: string;
  /** A copy of the value. */
  readonly value: JsonValue;
  /** How well it fits: the higher the better, and to be compared within one answer only. */
  readonly score: number;
  /** The words of the query that the entry holds itself; none when its neighbours or its meaning speak for it. */
  readonly matched: readonly string[];
}

/** A conversation that a search found. */
export interface SessionHit {
  /** Names the conversation. */
  readonly session: string;
  /** That of its best entry. */
  readonly score: number;
  /** The entry that fits best. */
  readonly best: SearchHit;
}

/** How to add an entry. */
export interface AddOptions {
  /** How long until the entry is gone, in milliseconds. @default {never} */
  readonly ttlMs?: number;
  /**
   * The conversation that the entry belongs to, `null` for none. What a key implies counts as a folder, and not as a
   * conversation, where it has more than 500 entries, or entries of more than 64 telling words on average, or where
   * its entries share hardly more words with the ones before them than with any others, which some twenty and more of
   * them tell: what stands in no order is ranked by itself. Whoever knows that beforehand, as of a catalogue, gives
   * `null`.
   *
   * @default {what the key says before its last ":"}
   */
  readonly session?: string | null;
  /** Where the entry stands in its conversation, by number. @default {when it was added} */
  readonly order?: number;
}

/** An entry to add, of several. */
export interface NewEntry extends AddOptions {
  /** Names the entry; one that is there is replaced. */
  readonly key: string;
  /** What is remembered: JSON. */
  readonly value: JsonValue;
}

/** Which entries to list. */
export interface EntriesOptions {
  /** Only keys that begin with this text. @default {""} */
  readonly prefix?: string;
  /** At most so many. @default {Infinity} */
  readonly limit?: number;
  /** From the last key to the first. @default {false} */
  readonly reverse?: boolean;
  /** Continue behind this key, in the direction of the listing. */
  readonly after?: string;
}

/** How to rank: by text that is contained, by words, by meaning, by both. */
export type SearchMode = "substring" | "keyword" | "semantic" | "hybrid";

/** A value of a field that entries are filtered by. */
export type FieldValue = string | number | boolean | null;

/** What to search for, and where. */
export interface SearchOptions {
  /** At most so many results. @default {5} */
  readonly limit?: number;
  /** What is compared: words, meanings, or both. @default {"hybrid" with an embedder, else "keyword"} */
  readonly mode?: SearchMode;
  /** Only keys that begin with this text. @default {""} */
  readonly prefix?: string;
  /** Only entries written at this time or later, in milliseconds since the Unix epoch. @default {-Infinity} */
  readonly sinceMs?: number;
  /** Only entries written before this time. @default {Infinity} */
  readonly untilMs?: number;
  /** Only entries whose fields have these values, or one of these. A field that is a list has each of its values. */
  readonly where?: { readonly [field: string]: FieldValue | readonly FieldValue[] };
  /** After how long a score counts half, in milliseconds. @default {Infinity} */
  readonly halfLifeMs?: number;
  /** Whether entries are ranked with what stands beside them in their conversation. @default {true} */
  readonly context?: boolean;
  /**
   * Whether entries that hold no word of the query are found too, where their conversation speaks for them.
   *
   * @default {where add() was given the session; not where the key implies it}
   */
  readonly neighbours?: boolean;
  /** What words and meaning count in a hybrid search. @default {{ keyword: 0.6, semantic: 0.4 }} */
  readonly weights?: { readonly keyword: number; readonly semantic: number };
}

/** What to recall. */
export interface RecallOptions extends Omit<SearchOptions, "limit"> {
  /** What the entries may come to, together. */
  readonly maxTokens: number;
  /** How many tokens a value comes to. @default {a quarter of the characters of its strings} */
  readonly countTokens?: (value: JsonValue) => number;
}

/** The best evidence that fits a budget. */
export interface Recalled {
  /** In the order in which the entries were added, whatever their scores. */
  readonly hits: readonly SearchHit[];
  /** What they come to. */
  readonly tokens: number;
}

/** What to make summaries of. */
export interface CompactOptions {
  /** Entries are summarised that were written so long ago, in milliseconds. */
  readonly olderThanMs: number;
  /** Makes one value of several entries, which come in their order. */
  readonly summarize: (entries: readonly MemoryEntry[], session: string) => JsonValue | Promise<JsonValue>;
  /** Only this conversation. @default {all of them} */
  readonly session?: string;
  /** Conversations with fewer old entries are left alone. @default {2} */
  readonly minEntries?: number;
  /** How long the summaries last, in milliseconds. @default {forever} */
  readonly ttlMs?: number;
}

/** What became of old entries. */
export interface Compacted {
  /** The keys of the summaries. */
  readonly summaries: readonly string[];
  /** How many entries they replace. */
  readonly replaced: number;
  /** How many entries were left as they are, because one of their group was written in the meantime. */
  readonly skipped: number;
}

/** A former version of an entry. */
export interface MemoryVersion {
  /** What the entry was then. */
  readonly value: JsonValue;
  /** When it was written, in milliseconds since the Unix epoch. */
  readonly updatedAtMs: number;
}

/** Something that happened in a memory. */
export type MemoryChange =
  | { readonly type: "set"; readonly key: string; readonly value: JsonValue }
  | { readonly type: "delete"; readonly key: string };

/** Turns texts into vectors that lie near one another when the texts mean the same. The caller brings it. */
export interface Embedder {
  /** The length of the vectors. */
  readonly dimensions: number;
  /** One vector for each text. The signal says that nobody waits for the answer any more. */
  embed(texts: readonly string[], signal: AbortSignal): ReadonlyVectors | Promise<ReadonlyVectors>;
}

/** Vectors, as an embedder gives them. */
export type ReadonlyVectors = readonly ArrayLike<number>[];

/** Where a memory is kept at the moment. */
export interface MemoryBackendInfo {
  /** The backend's name, free of credentials. */
  readonly backend: string;
  /** Whether entries are in Redis at the moment. */
  readonly usingRedis: boolean;
  /**
   * Whether there is a place to keep entries in while their backend is away: this process, or, where the caller made
   * the backend, the fallback of a composite.
   */
  readonly fallbackAvailable: boolean;
  /** Why the backend that was asked for does not serve; `null` when it does. */
  readonly reason: string | null;
  /** How many writes wait to be moved there. */
  readonly pending: number;
  /** The namespace that the memory sees. */
  readonly namespace: Key;
}
