/** The parts of the search index: conversations that become folders, words in order, sums. @module */

import { assert, assertAlmostEquals, assertEquals } from "@std/assert";
import { Conversations } from "../../src/memory/conversations.ts";
import { InMemoryStore } from "../../src/memory/in_memory_store.ts";
import { Lexicon } from "../../src/memory/lexicon.ts";
import { createMemoryKey } from "../../src/memory/memory_key.ts";
import { frequencyOf, placeOf } from "../../src/memory/postings.ts";
import { Budget } from "../../src/memory/recall.ts";
import { Analyzer } from "../../src/memory/text.ts";
import { toUnitVector } from "../../src/memory/vectors.ts";

const MAX_IMPLIED = 500;

/** Entries of a session that their keys imply, at the places from 1 to `count`, each of two terms. */
function implied(conversations: Conversations, count: number): void {
  for (let place = 1; place <= count; place++) addTo(conversations, place, true);
}

function addTo(conversations: Conversations, place: number, isImplied: boolean): void {
  conversations.add(place, { name: "doc", isImplied }, { order: place, sequence: 0, key: `${place}` }, 2);
}

Deno.test("Conversations makes a folder of more than 500 entries whose keys imply their session, and a conversation again", () => {
  const conversations = new Conversations();
  implied(conversations, MAX_IMPLIED);
  assertEquals([conversations.count, conversations.hasNeighbours], [1, true]);
  assertEquals(conversations.groupLengths.at(conversations.groups.at(7)), 2 * MAX_IMPLIED);
  addTo(conversations, MAX_IMPLIED + 1, true);
  assertEquals([conversations.count, conversations.hasNeighbours], [MAX_IMPLIED + 1, false]);
  assertEquals([conversations.conversationOf(7), conversations.before.at(7), conversations.after.at(7)], [null, 0, 0]);
  assertEquals(conversations.groupLengths.at(conversations.groups.at(7)), 2);
  assertEquals(conversations.sessionOf(7), "doc");
  addTo(conversations, MAX_IMPLIED + 2, true);
  assertEquals(conversations.count, MAX_IMPLIED + 2);
  conversations.delete(1);
  conversations.delete(2);
  assertEquals([conversations.count, conversations.hasNeighbours], [1, true]);
  assertEquals([conversations.before.at(3), conversations.before.at(4), conversations.after.at(4)], [0, 3, 5]);
  assertEquals(conversations.conversationOf(7)?.length, MAX_IMPLIED);
  assertEquals(conversations.groupLengths.at(conversations.groups.at(7)), 2 * MAX_IMPLIED);
});

Deno.test("Conversations keeps one together, however long, of which the caller gave the session of any entry", () => {
  const conversations = new Conversations();
  implied(conversations, MAX_IMPLIED + 10);
  assertEquals(conversations.count, MAX_IMPLIED + 10);
  addTo(conversations, MAX_IMPLIED + 11, false);
  assertEquals([conversations.count, conversations.isGiven(3), conversations.isGiven(999)], [1, true, false]);
  conversations.delete(MAX_IMPLIED + 11);
  assertEquals([conversations.count, conversations.isGiven(3)], [MAX_IMPLIED + 10, false]);
});

Deno.test("Lexicon.beginningWith() finds the words that begin so, among few and among thousands", () => {
  const lexicon = new Lexicon();
  const word = (text: string) => ({ form: text, term: text });
  const words = Array.from({ length: 3000 }, (_, n) => `w${String(n).padStart(4, "0")}`);
  const forms = words.map((text, place) => lexicon.add(place + 1, [word(text)]));
  const begun = (prefix: string) => [...lexicon.beginningWith(prefix)].map(({ text }) => text).toSorted();
  for (const prefix of ["w000", "w1", "w2999", "w3", "", "a", "x"]) {
    assertEquals(begun(prefix), words.filter((text) => text.startsWith(prefix)), prefix);
  }
  lexicon.add(5000, [word("w0001x"), word("w0001x")]);
  assertEquals(begun("w0001"), ["w0001", "w0001x"]);
  lexicon.remove(2, forms[1] ?? []);
  assertEquals(begun("w0001"), ["w0001x"]);
});

Deno.test("Lexicon.add() counts each occurrence of a term, and each form of an entry once", () => {
  const lexicon = new Lexicon();
  const [run, runs, fast] = ["run", "runs", "fast"].map((form) => ({ form, term: form.slice(0, 3) }));
  if (!run || !runs || !fast) throw new Error("Cannot test: a token is missing");
  const forms = lexicon.add(7, [run, runs, fast, run]);
  assertEquals(forms.map(({ text }) => text), ["run", "runs", "fast"]);
  const postings = () =>
    Array.from(lexicon.get("run")?.postings.packed.subarray(0, lexicon.get("run")?.postings.size) ?? []);
  const seen = () => postings().map((posting) => [placeOf(posting), frequencyOf(posting)]);
  assertEquals(seen(), [[7, 3]]);
  lexicon.add(9, [runs]);
  lexicon.add(3, [run, run]); // a place that is used again
  assertEquals(seen(), [[3, 2], [7, 3], [9, 1]]);
  lexicon.remove(7, forms);
  assertEquals(lexicon.add(7, [run]).map(({ holders }) => holders), [2]);
  assertEquals(seen(), [[3, 2], [7, 1], [9, 1]]);
  lexicon.add(8, Array.from({ length: 300 }, () => fast));
  assertEquals(frequencyOf(lexicon.get("fas")?.postings.packed[0] ?? 0), 255);
});

Deno.test("Analyzer.tokens() gives the same for a word after 50,000 others as before", () => {
  const analyzer = new Analyzer();
  const before = analyzer.tokens("running");
  for (let n = 0; n <= 50_000; n++) analyzer.tokens(`word${n}`);
  assertEquals(analyzer.tokens("running"), before);
});

Deno.test("InMemoryStore.search() passes over what does not hold the text, null values too", () => {
  const store = new InMemoryStore();
  store.add("a", "apple");
  store.add("b", null);
  store.add("c", "cherry");
  assertEquals(store.search("apple").map(({ key }) => key), ["a"]);
});

Deno.test("toUnitVector() gives length 1, and leaves zeros zeros", () => {
  assertEquals([...toUnitVector([0, 0], 2)], [0, 0]);
  const [x = NaN, y = NaN] = toUnitVector([3, 4], 2);
  assertAlmostEquals(x, 0.6, 1e-6);
  assertAlmostEquals(y, 0.8, 1e-6);
});

Deno.test("Budget.spend() gives what was taken in the order of time, then of writing, then of keys", () => {
  const evidence = (key: string, createdAtMs: number, sequence: number) => ({
    hit: { key, value: "four", score: 1, matched: [] },
    createdAtMs,
    sequence,
  });
  const given = [evidence("d", 2, 1), evidence("c", 1, 2), evidence("b", 1, 1), evidence("a", 1, 1)];
  const { hits, tokens } = new Budget({ maxTokens: 100 }).spend(given);
  assertEquals([hits.map(({ key }) => key), tokens], [["a", "b", "c", "d"], 4]);
  assertEquals(new Budget({ maxTokens: 100 }).spend(given.toReversed()).hits.map(({ key }) => key), [
    "a",
    "b",
    "c",
    "d",
  ]);
  const large = (value: unknown) => value === "four" ? 3 : 0;
  const few = new Budget({ maxTokens: 7, countTokens: large }).spend(given);
  assertEquals([few.hits.map(({ key }) => key), few.tokens], [["c", "d"], 6]);
});

Deno.test("createMemoryKey() orders the fields of a context by code points, as Python does", () => {
  assert(createMemoryKey("t", "u", { a: 1, b: 2 }) === createMemoryKey("t", "u", { b: 2, a: 1 }));
  assert(createMemoryKey("t", "u", { a: 1 }) !== createMemoryKey("t", "u", { a: 2 }));
  // md5('{"n": 9007199254740992.0}'), for beyond the safe integers a number is a float there.
  assertEquals(createMemoryKey("t", "u", { n: 2 ** 53 }), "t:u:3be24749");
});
