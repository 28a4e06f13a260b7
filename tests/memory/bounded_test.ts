/** What a search index keeps is bounded by what it holds, however often that was written. @module */

import { assert, assertEquals } from "@std/assert";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Lexicon } from "../../src/memory/lexicon.ts";
import { openMemory } from "./open_memory.ts";

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");

/** By how many bytes the heap has grown that `run` leaves behind, what it returns included. */
async function growth(run: () => unknown): Promise<number> {
  collectGarbage();
  const before = Deno.memoryUsage().heapUsed;
  const kept = await run();
  collectGarbage();
  const after = Deno.memoryUsage().heapUsed;
  assert(kept !== undefined);
  return after - before;
}

Deno.test("Lexicon keeps nothing of words that are gone, also where no beginnings of words are looked up", async () => {
  const lexicon = new Lexicon();
  const bytes = await growth(() => {
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

Deno.test("Memory.search() keeps nothing of the times at which an entry was to expire", async () => {
  const { memory } = openMemory();
  const follow = async (times: number) => {
    for (let n = 0; n < times; n++) {
      await memory.add("key", "value", { ttlMs: 1000 });
      await memory.search("value");
    }
    return memory;
  };
  await follow(500);
  const bytes = await growth(() => follow(10_000));
  assert(bytes < 500_000, `${bytes} bytes`);
  await memory.close();
});
