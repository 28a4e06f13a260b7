/** Searches a memory: ranks by the index, then fetches what is to be shown. @module */

import type { Clock } from "../clock.ts";
import { Best } from "./best.ts";
import type { CheckedEmbedder } from "./embedding.ts";
import type { EntryStore, ReadEntry } from "./entry_store.ts";
import type { Recalled, RecallOptions, SearchHit, SearchOptions, SessionHit } from "./model.ts";
import type { Postings } from "./postings.ts";
import { type Ranked, Ranker, type RankQuery } from "./ranker.ts";
import { Budget, type Evidence, MAX_EVIDENCE } from "./recall.ts";
import type { Replica } from "./replica.ts";
import { checkSearch, type SearchQuery } from "./search_query.ts";
import { containsText } from "./substring.ts";
import type { Analyzer, QueryWord } from "./text.ts";

/** What a searcher works with. */
export interface SearcherParts {
  readonly store: EntryStore;
  readonly replica: Replica;
  readonly analyzer: Analyzer;
  readonly embedder: CheckedEmbedder | null;
  readonly clock: Clock;
}

/** The searches of one memory. */
export class Searcher {
  readonly #store: EntryStore;
  readonly #replica: Replica;
  readonly #analyzer: Analyzer;
  readonly #embedder: CheckedEmbedder | null;
  readonly #clock: Clock;
  readonly #ranker: Ranker;

  /** Searches what a store holds, by a replica of it. */
  constructor({ store, replica, analyzer, embedder, clock }: SearcherParts) {
    this.#store = store;
    this.#replica = replica;
    this.#analyzer = analyzer;
    this.#embedder = embedder;
    this.#clock = clock;
    this.#ranker = new Ranker(replica.index);
  }

  /** The entries that fit best. */
  async search(text: string, options: SearchOptions = {}): Promise<SearchHit[]> {
    const query = checkSearch(text, options, this.#embedder !== null);
    return (await this.#find(query)).map(({ hit }) => hit);
  }

  /** The conversations that fit best. */
  async searchSessions(text: string, options: SearchOptions = {}): Promise<SessionHit[]> {
    const query = checkSearch(text, options, this.#embedder !== null);
    if (query.mode === "substring") {
      throw new TypeError("Cannot use mode substring: it does not rank, and so says nothing of sessions");
    }
    const found = await this.#rank(query, (rankQuery) => this.#ranker.rankSessions(rankQuery));
    // deno-coverage-ignore -- the compiler asks for it: only entries of sessions were ranked
    return found.flatMap(({ session, hit }) => session === null ? [] : [{ session, score: hit.score, best: hit }]);
  }

  /** The best evidence that fits a budget. */
  async recall(text: string, options: RecallOptions): Promise<Recalled> {
    const budget = new Budget(options);
    const { maxTokens: _maxTokens, countTokens: _countTokens, ...rest } = options;
    const query = checkSearch(text, { neighbours: true, ...rest, limit: MAX_EVIDENCE }, this.#embedder !== null);
    return budget.spend(await this.#find(query));
  }

  async #find(query: SearchQuery): Promise<Found[]> {
    if (query.mode === "substring") return await this.#searchSubstring(query);
    return await this.#rank(query, (rankQuery) => this.#ranker.rank(rankQuery));
  }

  /** Ranks until enough of what was ranked is still there, and passes the filters by its value too. */
  async #rank(
    query: SearchQuery,
    rank: (query: RankQuery) => readonly Ranked[],
  ): Promise<Found[]> {
    const words = query.mode === "semantic" ? [] : this.#analyzer.words(query.text);
    const prefix = query.mode === "semantic" ? null : this.#analyzer.openPrefix(query.text);
    if (query.limit === 0 || (query.mode === "keyword" && words.length === 0)) return [];
    const vector = query.mode === "keyword" ? null : (await this.#embedder?.embed([query.text]))?.[0] ?? null;
    await this.#replica.follow();
    const { index } = this.#replica;
    for (let limit = query.limit;; limit *= 4) {
      // Read before anything is awaited: the index may change then.
      const matched = this.#matcher(words, prefix);
      const ranked = rank({ ...this.#toRankQuery(query, words, prefix, vector), limit }).map(({ place, score }) => ({
        score,
        key: index.keyAt(place),
        session: index.conversations.sessionOf(place),
        matched: matched(place),
      }));
      const entries = await this.#store.getMany(ranked.map(({ key }) => key));
      const found = ranked.flatMap(({ score, session, matched }, at) => {
        const entry = entries[at];
        return entry && query.where.passes(entry.value) ? [toFound(entry, score, matched, session)] : [];
      });
      if (found.length >= query.limit || ranked.length < limit) return found.slice(0, query.limit);
    }
  }

  #toRankQuery(
    query: SearchQuery,
    words: readonly QueryWord[],
    prefix: string | null,
    vector: Float32Array | null,
  ): RankQuery {
    const { index } = this.#replica;
    const mayPass = query.where.mayPassIn(index);
    const terms = new Map<string, number>();
    for (const { tokens } of words) for (const { term } of tokens) terms.set(term, (terms.get(term) ?? 0) + 1);
    const { limit, context, neighbours, halfLifeMs, weights } = query;
    return {
      terms,
      prefix,
      vector,
      keywordWeight: weights.keyword,
      semanticWeight: weights.semantic,
      context,
      neighbours,
      halfLifeMs,
      nowMs: this.#clock.now(),
      limit,
      isWanted: (place) =>
        index.keyAt(place).startsWith(query.prefix) &&
        isWithin(index.updatedAtMs(place), query) &&
        mayPass(place),
    };
  }

  /** Tells which words of the query an entry holds, as they were written. */
  #matcher(words: readonly QueryWord[], prefix: string | null): (place: number) => string[] {
    const { words: lexicon } = this.#replica.index;
    const begun = prefix === null ? [] : Array.from(lexicon.beginningWith(prefix), ({ postings }) => postings);
    const lists = new Map<string, Set<Postings>>();
    for (const [at, { word, tokens }] of words.entries()) {
      const own = tokens.map(({ term }) => lexicon.get(term)?.postings).filter((list) => list !== undefined);
      const all = at === words.length - 1 ? [...own, ...begun] : own;
      // Most words of a long query are held by nobody.
      if (all.length > 0) lists.set(word, new Set([...lists.get(word) ?? [], ...all]));
    }
    return (place) =>
      Array.from(lists).filter(([, held]) => [...held].some((list) => list.has(place))).map(([word]) => word);
  }

  /** Looks at every entry: an index of words does not know what is inside of them. */
  async #searchSubstring(query: SearchQuery): Promise<Found[]> {
    if (query.text === "" || query.limit === 0) return [];
    const contains = containsText(query.text);
    const best = new Best<ReadEntry>(query.limit, isNewer);
    for await (const entry of this.#store.intact({ prefix: query.prefix })) {
      if (isWithin(entry.updatedAtMs, query) && contains(entry.value) && query.where.passes(entry.value)) {
        best.add(entry);
      }
    }
    return best.items.map((entry) => toFound(entry, 1, [query.text], entry.session));
  }
}

/** An entry that was found, with what its place in an answer depends on. */
interface Found extends Evidence {
  readonly session: string | null;
}

function toFound(
  { key, value, createdAtMs, stored: { sequence } }: ReadEntry,
  score: number,
  matched: readonly string[],
  session: string | null,
): Found {
  return { hit: { key, value, score, matched }, session, createdAtMs, sequence };
}

function isWithin(atMs: number, { sinceMs, untilMs }: SearchQuery): boolean {
  return atMs >= sinceMs && atMs < untilMs;
}

function isNewer(a: ReadEntry, b: ReadEntry): boolean {
  if (a.updatedAtMs !== b.updatedAtMs) return a.updatedAtMs > b.updatedAtMs;
  const difference = a.stored.sequence - b.stored.sequence;
  return difference === 0 ? a.key < b.key : difference > 0;
}
