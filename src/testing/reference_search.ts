/** Search as it is defined, by brute force: what the real one is held to. @module */

import type { RankQuery } from "../memory/ranker.ts";
import type { Analyzer, Token } from "../memory/text.ts";
import { groupBy } from "../storage/es2024.ts";

/** An entry, its place in a session, and whether its key implied that. */
export interface ReferenceEntry {
  readonly key: string;
  readonly text: string;
  readonly session: string | null;
  readonly isImplied: boolean;
  readonly order: number;
  readonly updatedAtMs: number;
}

/** What may be asked. */
export type ReferenceQuery =
  & Pick<RankQuery, "context" | "neighbours" | "halfLifeMs" | "nowMs">
  & { readonly text: string };

/** An entry that is found, and what its session adds where sessions are ranked. */
export type ReferenceHit =
  & Pick<ReferenceEntry, "key" | "session" | "updatedAtMs">
  & { readonly score: number; readonly sessionScore: number };

type Text = readonly (Token & { readonly share: number })[];
const withShare = (words: readonly Token[], share: number): Text => words.map((word) => ({ ...word, share }));
const lengthOf = (text: Text): number => text.reduce((sum, { share }) => sum + share, 0);

/** All entries that are found, best first. */
export function referenceSearch(
  entries: readonly ReferenceEntry[],
  query: ReferenceQuery,
  analyzer: Analyzer,
): ReferenceHit[] {
  const all = entries.toSorted((a, b) => a.order - b.order)
    .map((entry) => ({ ...entry, text: withShare(analyzer.tokens(entry.text), 1) }));
  const groups = groupBy(all, groupName);
  const windows = all.map((entry) => {
    const members = groups.get(groupName(entry)) ?? [];
    const first = members.indexOf(entry) - 2;
    return [0.2, 0.4, 1, 0.4, 0.2].flatMap((share, n) => withShare(members[first + n]?.text ?? [], share));
  });
  const scoresOf = (texts: readonly Text[]) => bm25(texts, query.text, analyzer);
  const [own, around] = [scoresOf(all.map(({ text }) => text)), scoresOf(windows)];
  const ofGroups = scoresOf([...groups.values()].map((members) => members.flatMap(({ text }) => text)));
  const ofGroup = new Map([...groups.keys()].map((name, index) => [name, ofGroups[index] ?? 0]));
  const withContext = query.context && groups.size < all.length;
  const [deviation, groupDeviation] = [deviationOf(around), deviationOf(ofGroups)];
  return all.flatMap((entry, index) => {
    const groupScore = ofGroup.get(groupName(entry)) ?? 0;
    const isGiven = groups.get(groupName(entry))?.some(({ isImplied }) => !isImplied);
    const isOpen = query.neighbours === "all" || (query.neighbours === "given" && isGiven);
    if (own[index] === 0 && !(withContext && isOpen && groupScore > 0)) return [];
    const inContext = (around[index] ?? 0) / deviation + 0.5 * groupScore / groupDeviation;
    const score = withContext ? inContext : own[index] ?? 0;
    const sessionScore = withContext ? groupScore / groupDeviation : score;
    const decay = 2 ** (-Math.max(0, query.nowMs - entry.updatedAtMs) / query.halfLifeMs);
    return [{ ...entry, score: Math.round(score * decay * 1e9) / 1e9, sessionScore: sessionScore * decay }];
  }).sort((a, b) => b.score - a.score || b.updatedAtMs - a.updatedAtMs || (a.key < b.key ? -1 : 1));
}

function groupName({ key, session }: { readonly key: string; readonly session: string | null }): string {
  return session === null ? `entry ${key}` : `session ${session}`;
}

/** The sums over the words of the query; an unfinished last word counts half for the words that it begins. */
function bm25(texts: readonly Text[], query: string, analyzer: Analyzer): number[] {
  const asked = analyzer.tokens(query).map(({ term }) => term);
  const prefix = analyzer.openPrefix(query);
  const begun = new Set(
    texts.flat().filter(({ form, term }) => prefix !== null && form.startsWith(prefix) && !asked.includes(term))
      .map(({ term }) => term),
  );
  const words = asked.map((word) => ({ isMeant: (term: string) => term === word, weight: 1 }));
  words.push({ isMeant: (term) => begun.has(term), weight: 0.5 });
  const averageLength = texts.reduce((sum, text) => sum + lengthOf(text), 0) / texts.length;
  const scores = texts.map(() => 0);
  for (const { isMeant, weight } of words) {
    const meant = texts.map((text) => text.filter(({ term }) => isMeant(term)));
    const holders = meant.filter((text) => text.some(({ share }) => share === 1)).length;
    const rarity = Math.log(1 + (texts.length - holders + 0.5) / (holders + 0.5));
    for (const [index, text] of texts.entries()) {
      const frequency = lengthOf(meant[index] ?? []);
      if (frequency === 0) continue;
      const norm = 1.2 * (1 - 0.75 + 0.75 * lengthOf(text) / averageLength);
      scores[index] = (scores[index] ?? 0) + weight * rarity * frequency * 2.2 / (frequency + norm);
    }
  }
  return scores;
}

function deviationOf(numbers: readonly number[]): number {
  const mean = numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
  const variance = numbers.reduce((sum, each) => sum + (each - mean) ** 2, 0) / numbers.length;
  return variance > 1e-12 ? Math.sqrt(variance) : 1;
}
