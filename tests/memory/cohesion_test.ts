/** Which entries are ranked as conversations, where their keys alone say that they belong together. @module */

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { cohesionOf, isLoose } from "../../src/memory/cohesion.ts";
import type { NewEntry } from "../../src/memory/model.ts";
import { SearchIndex } from "../../src/memory/search_index.ts";
import { MemoryPrimitive } from "../../mod.ts";
import { randomIntegers } from "../../src/testing/random.ts";

/** So many texts of eight words, of which half are of the topic that is spoken of: another one after every `run`. */
function texts(count: number, run: number): string[] {
  const random = randomIntegers(run * 7919);
  let topic = 0;
  return Array.from({ length: count }, (_, n) => {
    if (n % run === 0) topic = random(40);
    return Array.from({ length: 8 }, (_, at) => at % 2 === 0 ? `topic${topic}word${random(6)}` : `word${random(400)}`);
  }).map((words) => words.join(" "));
}

/** What is found for some queries, with scores. */
async function found(entries: readonly NewEntry[], context?: boolean): Promise<unknown> {
  await using memory = new MemoryPrimitive();
  for (let from = 0; from < entries.length; from += 50) await memory.addMany(entries.slice(from, from + 50));
  const options = { limit: 20, ...(context !== undefined && { context }) };
  const queries = ["topic3word1 word7", "topic20word2", "word100 word200 topic8word5"];
  const hits = await Promise.all(queries.map((query) => memory.search(query, options)));
  return hits.map((each) => each.map(({ key, score }) => [key, score]));
}

const notes = (count: number, folders: number, run: number): NewEntry[] =>
  texts(count, run).map((text, n) => ({ key: `note${n % folders}:${n}`, value: { text } }));

Deno.test("search() ranks short texts in no order by themselves, in one folder or in many", async () => {
  for (const folders of [1, 3, 20]) {
    const entries = notes(200, folders, 1);
    assertEquals(await found(entries), await found(entries.map((entry) => ({ ...entry, session: null }))));
  }
});

Deno.test("search() ranks entries that follow one another in their context, as far as their keys alone tell it", async () => {
  const entries = notes(200, 1, 6);
  assertEquals(await found(entries), await found(entries.map((entry) => ({ ...entry, session: "note0" }))));
  assertNotEquals(await found(entries), await found(entries, false));
});

Deno.test("search() takes for a conversation what the caller says is one, and what is too small to tell", async () => {
  for (const entries of [notes(200, 1, 1).map((entry) => ({ ...entry, session: "talk" })), notes(12, 1, 1)]) {
    assertNotEquals(await found(entries), await found(entries, false));
  }
});

Deno.test("search() ranks some dozens of short texts in no order by themselves", async () => {
  for (const folders of [1, 3]) {
    const entries = notes(80, folders, 1);
    assertEquals(await found(entries), await found(entries.map((entry) => ({ ...entry, session: null }))));
  }
});

Deno.test("search() ranks many conversations of six turns each in their context, and folders of six texts by themselves", async () => {
  const sixEach = (run: number): NewEntry[] =>
    texts(480, run).map((text, n) => ({ key: `talk${Math.floor(n / 6)}:${n}`, value: { text } }));
  assertNotEquals(await found(sixEach(3)), await found(sixEach(3), false));
  assertEquals(await found(sixEach(1)), await found(sixEach(1), false));
});

Deno.test("search() sees a conversation through turns of a few words", async () => {
  const entries = notes(150, 1, 6).flatMap(({ value }, n): NewEntry[] => [
    { key: `talk:${2 * n}`, value },
    { key: `talk:${2 * n + 1}`, value: { text: "oh yes" } },
  ]);
  assertNotEquals(await found(entries), await found(entries, false));
});

/** An index of entries, and which of them are in a conversation of several. */
function indexOf(entries: readonly (readonly [key: string, words: readonly string[]])[]) {
  const index = new SearchIndex();
  const add = ([key, words]: typeof entries[number]) =>
    index.set({
      key,
      tokens: words.map((word) => ({ form: word, term: word.slice(0, 4) })),
      fields: [],
      session: { name: key.split(":")[0] ?? "", isImplied: true },
      position: { order: Number(key.split(":")[1]), sequence: 0, key },
      updatedAtMs: 0,
      vector: null,
    });
  for (const entry of entries) add(entry);
  const state = () => {
    const { conversations } = index;
    const { hasNeighbours } = conversations;
    const places = [...index.places()].sort((a, b) => index.keyAt(a) < index.keyAt(b) ? -1 : 1);
    const keyOf = (place: number) => place === 0 ? null : index.keyAt(place);
    const beside = places.map((place) => [conversations.before.at(place), conversations.after.at(place)].map(keyOf));
    return { hasNeighbours, count: conversations.count, beside };
  };
  return { index, add, state };
}

Deno.test("an index judges the same of the same entries, whatever was there before and in whichever order they came", () => {
  const random = randomIntegers(5 * 7919);
  const judged = { conversation: 0, collection: 0 };
  for (let round = 0; round < 30; round++) {
    const talks = 1 + random(4);
    const model = new Map<string, string[]>();
    const { index, add, state } = indexOf([]);
    const isOrdered = round % 2 === 0;
    for (let step = 0; step < 900; step++) {
      const n = random(200);
      const key = `talk${random(talks)}:${n}`;
      const about = isOrdered ? Math.floor(n / 8) : random(10);
      if (random(4) === 0) {
        index.delete(key);
        model.delete(key);
      } else {
        const word = () => `${random(2) === 0 ? 1000 + about : 2000 + random(60)}${"xy"[random(2)]}`;
        const words = Array.from({ length: 6 }, word);
        add([key, words]);
        model.set(key, words);
      }
      if (random(50) === 0) state(); // which settles what is there so far
    }
    const after = state();
    assertEquals(after, indexOf([...model].reverse()).state());
    if (after.hasNeighbours === isOrdered) judged[isOrdered ? "conversation" : "collection"]++;
  }
  // Where sessions have few entries, they are conversations for want of evidence.
  assert(judged.conversation === 15 && judged.collection > 8, JSON.stringify(judged));
});

Deno.test("cohesionOf() counts what neighbours share, and what those of a conversation would share at the least", () => {
  const entries = ["ab", "bc", "cd", "x", "ay", "z", "", "u", "v", "w", "ab", "ab"].map((
    terms,
  ) => [...terms, 1, 2, 3, 4]);
  // Of the twelve, four hold a, and four b: too many to tell anything. Two hold c. All hold the numbers.
  assertEquals(cohesionOf(entries), { pairs: 11, shared: 1, needed: Math.round(1000 * (1.8 - 3.2 / 12) * 2 / 12) });
  // Two entries follow one another in any order: five say as much as can be said of fewer.
  assertEquals(cohesionOf([["a", "c", "d", "e"], ["a", "b", "a", "f"]]), { pairs: 1, shared: 1, needed: 1160 });
});

Deno.test("cohesionOf() passes over entries of fewer than four terms", () => {
  const entries = ["abcd", "e", "", "fgh", "aaij"].map((terms) => [...terms]);
  assertEquals(cohesionOf(entries), { pairs: 1, shared: 1, needed: 1160 });
  for (const few of [[], entries.slice(0, 4)]) assertEquals(cohesionOf(few), { pairs: 0, shared: 0, needed: 0 });
});

Deno.test("isLoose() is when neighbours share less than is needed, by more than chance", () => {
  assertEquals([174, 175].map((shared) => isLoose({ pairs: 100, shared, needed: 180_000 })), [true, false]);
  assertEquals(isLoose({ pairs: 9, shared: 0, needed: 4_900 }), false);
});
