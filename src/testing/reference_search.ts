/** Search as it is defined, by brute force: what the real one is held to. @module */

import type { Analyzer, Token } from "../memory/text.ts";
import { groupBy } from "../storage/es2024.ts";

/** An entry, all there is to know about it. */
export interface ReferenceEntry {
  readonly key: string;
  readonly text: string;
  readonly session: string | null;
  /** Whether its key implied the session. */
  readonly isImplied: boolean;
  /** Its place in the session. */
  readonly order: number;
  readonly updatedAtMs: number;
}

/** What may be asked. */
export interface ReferenceQuery {
  readonly text: string;
  readonly context: boolean;
  readonly neighbours: "all" | "given" | "none";
  readonly halfLifeMs: number;
  readonly nowMs: number;
}

type Text = { readonly tokens: readonly Token[] };

/** All entries that are found, with their scores, best first. */
export function referenceSearch(
  entries: readonly ReferenceEntry[],
  query: ReferenceQuery,
  analyzer: Analyzer,
): { readonly key: string; readonly score: number }[] {
  const all = entries.map((entry) => ({ ...entry, tokens: analyzer.tokens(entry.text) }));
  const bySession = groupBy(all, ({ key, session }) => session === null ? `entry ${key}` : `session ${session}`);
  const groups = [...bySession.values()].map((members) => ({
    members: members.toSorted((a, b) => a.order - b.order),
    tokens: members.flatMap(({ tokens }) => tokens),
  }));
  const own = bm25(all, query.text, analyzer);
  const ofGroup = bm25(groups, query.text, analyzer);
  const smoothed = new Map(groups.flatMap(({ members }) =>
    members.map((entry, index) => {
      const at = (other: number) => own.get(members[other] ?? NOBODY) ?? 0;
      return [
        entry,
        at(index) + 0.4 * (at(index - 1) + at(index + 1)) + 0.2 * (at(index - 2) + at(index + 2)),
      ] as const;
    })
  ));
  const withContext = query.context && groups.some(({ members }) => members.length > 1);
  const isOpen = ({ members }: (typeof groups)[number]) =>
    query.neighbours === "all" || (query.neighbours === "given" && members.some(({ isImplied }) => !isImplied));
  const [deviation, groupDeviation] = [deviationOf([...smoothed.values()]), deviationOf([...ofGroup.values()])];
  return groups.flatMap((group) =>
    group.members.flatMap((entry) => {
      const groupScore = ofGroup.get(group) ?? 0;
      const isFound = (own.get(entry) ?? 0) > 0 || (withContext && isOpen(group) && groupScore > 0);
      if (!isFound) return [];
      const inContext = (smoothed.get(entry) ?? 0) / deviation + 0.5 * groupScore / groupDeviation;
      const score = withContext ? inContext : own.get(entry) ?? 0;
      const decay = 2 ** (-Math.max(0, query.nowMs - entry.updatedAtMs) / query.halfLifeMs);
      return [{ ...entry, score: Math.round(score * decay * 1e9) / 1e9 }];
    })
  ).sort((a, b) => b.score - a.score || b.updatedAtMs - a.updatedAtMs || (a.key < b.key ? -1 : 1));
}

const NOBODY = { tokens: [] };
/** The sum over the words of the query; an unfinished last word counts half for the words that it begins. */
function bm25<T extends Text>(texts: readonly T[], query: string, analyzer: Analyzer): Map<Text, number> {
  const asked = analyzer.tokens(query).map(({ term }) => term);
  const prefix = analyzer.openPrefix(query);
  const begun = new Set(
    prefix === null ? [] : texts.flatMap(({ tokens }) => tokens).filter(({ form }) => form.startsWith(prefix))
      .map(({ term }) => term).filter((term) => !asked.includes(term)),
  );
  const words = asked.map((word) => ({ isMeant: (term: string) => term === word, weight: 1 }));
  const averageLength = texts.reduce((sum, { tokens }) => sum + tokens.length, 0) / texts.length;
  const scores = new Map<Text, number>(texts.map((text) => [text, 0]));
  for (const { isMeant, weight } of [...words, { isMeant: (term: string) => begun.has(term), weight: 0.5 }]) {
    const frequencies = texts.map(({ tokens }) => tokens.filter(({ term }) => isMeant(term)).length);
    const holders = frequencies.filter((frequency) => frequency > 0).length;
    const rarity = Math.log(1 + (texts.length - holders + 0.5) / (holders + 0.5));
    for (const [index, text] of texts.entries()) {
      const frequency = frequencies[index] ?? 0;
      if (frequency === 0) continue;
      const norm = 1.2 * (1 - 0.75 + 0.75 * text.tokens.length / averageLength);
      scores.set(text, (scores.get(text) ?? 0) + weight * rarity * frequency * 2.2 / (frequency + norm));
    }
  }
  return scores;
}

function deviationOf(numbers: readonly number[]): number {
  const mean = numbers.reduce((sum, each) => sum + each, 0) / numbers.length;
  const variance = numbers.reduce((sum, each) => sum + (each - mean) ** 2, 0) / numbers.length;
  return variance > 1e-12 ? Math.sqrt(variance) : 1;
}
