/** Ranks the entries of an index for a query: by words, by meaning, in their context. @module */

import { Best } from "./best.ts";
import { type KeywordQuery, KeywordScorer, type Top } from "./keyword_score.ts";
import { smooth } from "./context.ts";
import { BEST_ENTRY_WEIGHT, decayed, rounded, ROUNDING, SESSION_WEIGHT } from "./ranking.ts";
import { Scores } from "./scores.ts";
import type { SearchIndex } from "./search_index.ts";
import { SemanticScorer } from "./semantic_score.ts";

/** What to rank by. */
export interface RankQuery extends KeywordQuery {
  /** What the words count; 0 leaves them out. */
  readonly keywordWeight: number;
  /** The meaning of the query, of length 1; `null` leaves it out. */
  readonly vector: Float32Array | null;
  /** What the meaning counts. */
  readonly semanticWeight: number;
  /** Whether the entries beside one and its whole conversation count. */
  readonly context: boolean;
  /** In which conversations entries that hold no word of the query are found where their context speaks for them. */
  readonly neighbours: "all" | "given" | "none";
  /** After how long a score counts half. @default {never} */
  readonly halfLifeMs: number;
  readonly nowMs: number;
  /** Which entries may be found. */
  readonly isWanted: (place: number) => boolean;
  readonly limit: number;
}

/** An entry and how well it fits. */
export interface Ranked {
  readonly place: number;
  readonly score: number;
}

/** What speaks for entries and for conversations. */
interface Evidence {
  /** By place. */
  readonly entries: Scores;
  /** By place, with what stands around entries; only in context. */
  readonly windows: Scores;
  /** By group. */
  readonly groups: Scores;
}

/** Ranks for one index; each query uses the same working memory again. */
export class Ranker {
  readonly #index: SearchIndex;
  readonly #keywords: KeywordScorer;
  readonly #meaning: SemanticScorer;
  readonly #blended: Evidence = { entries: new Scores(), windows: new Scores(), groups: new Scores() };
  readonly #smoothed = new Scores();
  readonly #candidates = new Scores();

  /** Ranks the entries of an index. */
  constructor(index: SearchIndex) {
    this.#index = index;
    this.#keywords = new KeywordScorer(index);
    this.#meaning = new SemanticScorer(index);
  }

  /** The entries that fit best, best first; of equals the one that was written last. */
  rank(query: RankQuery): readonly Ranked[] {
    const best = new Best<Ranked>(query.limit, (a, b) => this.#isBetter(a, b));
    this.#score(query, query.limit, (ranked) => {
      best.add(ranked);
      return best.worst?.score ?? -Infinity;
    });
    return best.items;
  }

  /** The best entry of each of the conversations that fit best, best first. */
  rankSessions(query: RankQuery): readonly Ranked[] {
    const { conversations } = this.#index;
    const bySession = new Map<string, Ranked>();
    const groups = this.#score(query, null, (ranked) => {
      const session = conversations.sessionOf(ranked.place);
      const other = session === null ? undefined : bySession.get(session);
      if (session !== null && (!other || this.#isBetter(ranked, other))) bySession.set(session, ranked);
      return -Infinity;
    });
    const divisor = groups?.deviation(conversations.count) ?? 1;
    const sessions = [...bySession.values()].map(({ place, score }) => {
      const shared = (groups?.values[conversations.groups.at(place)] ?? 0) / divisor;
      const own = groups ? this.#decayed(shared, place, query) : score;
      return { place, score: rounded(own + BEST_ENTRY_WEIGHT * score) };
    });
    return sessions.sort((a, b) => this.#isBetter(a, b) ? -1 : 1).slice(0, query.limit);
  }

  /**
   * Hands out every entry that is found, with its score, but for those below what `take` returned last; with `top`,
   * only the best. Returns the scores of the conversations, `null` where there is no context.
   */
  #score(
    query: RankQuery,
    top: number | null,
    take: (ranked: Ranked) => number,
  ): Scores | null {
    const { halfLifeMs, isWanted } = query;
    const withContext = query.context && this.#index.conversations.hasNeighbours;
    const isPlain = query.vector === null && !withContext && halfLifeMs === Infinity;
    const evidence = this.#gather(query, withContext, isPlain && top !== null ? { limit: top, isWanted } : null);
    const candidates = withContext ? this.#withNeighbours(evidence.entries, query.neighbours) : evidence.entries;
    const scoreOf = withContext ? this.#inContext(evidence) : (place: number) => evidence.entries.values[place] ?? 0;
    const { touched, size } = candidates;
    let floor = -Infinity;
    for (let index = 0; index < size; index++) {
      const place = touched[index] ?? 0;
      const score = this.#decayed(scoreOf(place), place, query);
      if (score >= floor - ROUNDING && isWanted(place)) floor = take({ place, score: rounded(score) });
    }
    return withContext ? evidence.groups : null;
  }

  #decayed(score: number, place: number, { nowMs, halfLifeMs }: RankQuery): number {
    return halfLifeMs === Infinity ? score : decayed(score, nowMs - this.#index.updatedAtMs(place), halfLifeMs);
  }

  #gather(query: RankQuery, withContext: boolean, top: Top | null): Evidence {
    this.#keywords.score(query, withContext, top);
    if (query.vector === null) return this.#keywords;
    this.#meaning.score(query.vector, withContext);
    const { entries, windows, groups } = this.#blended;
    entries.reset(this.#index.limit);
    groups.reset(this.#index.conversations.limit);
    addScaled(
      entries,
      this.#keywords.entries,
      query.keywordWeight / this.#keywords.entries.deviation(this.#index.size),
    );
    addScaled(entries, this.#meaning.entries, query.semanticWeight);
    const { count } = this.#index.conversations;
    addScaled(groups, this.#keywords.groups, query.keywordWeight / this.#keywords.groups.deviation(count));
    addScaled(groups, this.#meaning.groups, query.semanticWeight);
    if (withContext) {
      const { size, limit, conversations } = this.#index;
      windows.reset(limit);
      addScaled(windows, this.#keywords.windows, query.keywordWeight / this.#keywords.windows.deviation(size));
      smooth(this.#meaning.entries, this.#smoothed, conversations, limit);
      addScaled(windows, this.#smoothed, query.semanticWeight / this.#smoothed.deviation(size));
    }
    return this.#blended;
  }

  /** The score of an entry by the evidence in and around it, and by its conversation's. */
  #inContext({ windows, groups }: Evidence): (place: number) => number {
    const { size, conversations } = this.#index;
    const own = 1 / windows.deviation(size);
    const shared = SESSION_WEIGHT / groups.deviation(conversations.count);
    const groupOf = conversations.groups.values;
    return (place) => own * (windows.values[place] ?? 0) + shared * (groups.values[groupOf[place] ?? 0] ?? 0);
  }

  /** These entries and, as far as they are asked for, all others of their conversations. */
  #withNeighbours(entries: Scores, which: RankQuery["neighbours"]): Scores {
    if (which === "none") return entries;
    const { conversations, limit } = this.#index;
    const all = this.#candidates;
    all.reset(limit);
    for (const place of entries.places()) {
      if (all.values[place] !== 0) continue; // with all of its conversation
      const isAsked = which === "all" || conversations.isGiven(place);
      const conversation = isAsked ? conversations.conversationOf(place) : null;
      for (const other of conversation ?? [place]) all.add(other, 1);
    }
    return all;
  }

  #isBetter(a: Ranked, b: Ranked): boolean {
    if (a.score !== b.score) return a.score > b.score;
    const index = this.#index;
    const ageDifference = index.updatedAtMs(a.place) - index.updatedAtMs(b.place);
    if (ageDifference !== 0) return ageDifference > 0;
    const sequenceDifference = index.sequenceAt(a.place) - index.sequenceAt(b.place);
    return sequenceDifference === 0 ? index.keyAt(a.place) < index.keyAt(b.place) : sequenceDifference > 0;
  }
}

function addScaled(sum: Scores, scores: Scores, factor: number): void {
  for (const place of scores.places()) sum.add(place, factor * (scores.values[place] ?? 0));
}
