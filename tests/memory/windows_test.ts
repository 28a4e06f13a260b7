/** Entries scored with the words around them: held to the formula, for rare and for common words, after changes. @module */

import { assertAlmostEquals, assertEquals } from "@std/assert";
import { SearchIndex } from "../../src/memory/search_index.ts";
import { Windows } from "../../src/memory/windows.ts";

const COUNT = 300;

interface Turn {
  readonly key: string;
  readonly words: readonly string[];
}

function put(index: SearchIndex, { key, words }: Turn, order: number): void {
  index.set({
    key,
    tokens: words.map((word) => ({ form: word, term: word })),
    fields: [],
    session: { name: key.split(":")[0] ?? "", isImplied: false },
    position: { order, sequence: 0, key },
    updatedAtMs: 0,
    vector: null,
  });
}

/** Sessions of 1 to 12 turns with a common word in every second turn, and a rare one in every fiftieth. */
function makeTurns(): Turn[] {
  return Array.from({ length: COUNT }, (_, n) => ({
    key: `${Math.floor(Math.sqrt(n)) * 7 % 40}:${n}`,
    words: [
      ...Array.from({ length: n * 7 % 9 }, () => "other"),
      ...Array.from({ length: n % 2 + n % 4 }, () => "common"),
      ...(n % 50 === 3 ? ["rare", "rare"] : []),
    ],
  }));
}

/** What the formula gives: BM25 with the parts of what stands around an entry, times 10. */
function expectedScores(turns: readonly Turn[], word: string): Map<string, number> {
  const sessions = Map.groupBy(turns, ({ key }) => key.split(":")[0]);
  const windows = turns.map((turn) => {
    const members = sessions.get(turn.key.split(":")[0]) ?? [];
    const first = members.indexOf(turn) - 2;
    const parts = [0.2, 0.4, 1, 0.4, 0.2].map((share, n) => ({ share, words: members[first + n]?.words ?? [] }));
    const sum = (count: (words: readonly string[]) => number) =>
      parts.reduce((total, { share, words }) => total + share * count(words), 0);
    return {
      key: turn.key,
      length: sum((words) => words.length),
      frequency: sum((words) => words.filter((each) => each === word).length),
    };
  });
  const average = windows.reduce((sum, { length }) => sum + length, 0) / windows.length;
  const holders = windows.filter(({ frequency }) => frequency > 0);
  return new Map(holders.map(({ key, length, frequency }) => [
    key,
    10 * frequency * 2.2 / (frequency + 1.2 * (0.25 + 0.75 * length / average)),
  ]));
}

function scores(index: SearchIndex, windows: Windows, word: string): Map<string, number> {
  const postings = index.words.get(word)?.postings;
  windows.reset();
  if (postings) windows.add(postings.packed, postings.size, 10);
  const { scores } = windows;
  return new Map(Array.from(scores.places(), (place) => [index.keyAt(place), scores.values[place] ?? 0]));
}

Deno.test("Windows.add() counts 0.4 of the words beside an entry and 0.2 of those behind, be they rare or common", () => {
  const index = new SearchIndex();
  const windows = new Windows(index);
  let turns = makeTurns();
  for (const [n, turn] of turns.entries()) put(index, turn, n);
  for (let round = 0; round < 2; round++) {
    for (const word of ["rare", "common", "nowhere"]) {
      const [found, expected] = [scores(index, windows, word), expectedScores(turns, word)];
      assertEquals([...found.keys()].toSorted(), [...expected.keys()].toSorted());
      for (const [key, score] of expected) assertAlmostEquals(found.get(key) ?? 0, score, 1e-9, `${word} in ${key}`);
    }
    // The lengths are taken anew after changes.
    turns = turns.filter((_, n) => n % 3 !== 0);
    for (const { key } of makeTurns().filter((_, n) => n % 3 === 0)) index.delete(key);
  }
});
