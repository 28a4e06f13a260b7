/** What a search index keeps is bounded by what it holds, however often that was written. @module */

import { assert, assertEquals } from "@std/assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { ExpiryQueue } from "../../src/memory/expiry_queue.ts";
import { Lexicon } from "../../src/memory/lexicon.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

/** By how many bytes the heap has grown that `run` leaves behind, what it returns included. */
function growth(run: () => unknown): number {
  collectGarbage();
  const before = Deno.memoryUsage().heapUsed;
  const kept = run();
  collectGarbage();
  const after = Deno.memoryUsage().heapUsed;
  assert(kept !== undefined);
  return after - before;
}

Deno.test("Lexicon keeps nothing of words that are gone, also where no beginnings of words are looked up", () => {
  const lexicon = new Lexicon();
  const bytes = growth(() => {
    for (let n = 0; n < 50_000; n++) {
      const text = `a word that is written once, number ${n}`;
      lexicon.remove(1, lexicon.add(1, [{ form: text, term: text }]));
    }
    return lexicon;
  });
  assert(bytes < 1_000_000, `${bytes} bytes`);
  lexicon.add(1, [{ form: "a word", term: "a word" }]);
  assertEquals([...lexicon.beginningWith("a w")].map(({ text }) => text), ["a word"]);
});

Deno.test("ExpiryQueue keeps a key once, however often its time is moved", () => {
  const ends = new Map<string, number>();
  const queue = new ExpiryQueue((key, atMs) => ends.get(key) === atMs);
  const bytes = growth(() => {
    for (let n = 0; n < 100_000; n++) {
      const key = `key ${n % 3}`;
      ends.set(key, n);
      queue.add(key, n);
    }
    return queue;
  });
  assert(bytes < 1_000_000, `${bytes} bytes`);
  assertEquals([...queue.due(99_998)], ["key 1", "key 2"]);
  assertEquals([...queue.due(99_999)], ["key 0"]);
  assertEquals([...queue.due(Infinity)], []);
});
