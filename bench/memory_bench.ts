/** The memory, on every backend, and the bounded store: `deno task bench`. @module */

import { InMemoryStore } from "../src/memory/in_memory_store.ts";
import { Memory } from "../src/memory/memory.ts";
import type { StorageBackend } from "../src/storage/backend.ts";
import { backends } from "./backends.ts";
import { makeQueries, makeTexts } from "./texts.ts";

const COUNT = 1000;
const texts = makeTexts(COUNT);
const queries = makeQueries();

const store = new InMemoryStore({ maxSize: COUNT });
for (const [index, text] of texts.entries()) store.add(`note:${index}`, { text });
let turn = 0;
const nextText = () => texts[turn++ % COUNT] ?? "";
const nextKey = () => `note:${turn++ % COUNT}`;

Deno.bench({ group: "bounded store", name: "get", baseline: true, fn: () => void store.get(nextKey()) });
Deno.bench({ group: "bounded store", name: "add", fn: () => store.add(nextKey(), { text: nextText() }) });
Deno.bench({ group: "bounded store", name: "add with eviction", fn: () => store.add(`other:${turn}`, nextText()) });
Deno.bench({ group: "bounded store", name: "search", fn: () => void store.search("trafonol") });

for (const { name, open } of backends) {
  const { backend, remove } = await open();
  addEventListener("unload", remove);
  const filled = memoryOn(backend, "filled");
  await filled.addMany(texts.map((text, index) => ({ key: `note:${index}`, value: { text } })));
  const grown = memoryOn(backend, "grown");
  const nextQuery = () => queries[turn++ % queries.length] ?? "";

  Deno.bench({ group: "add", name, fn: async () => await grown.add(`note:${turn++}`, { text: nextText() }) });
  Deno.bench({ group: "get", name, fn: async () => void await filled.get(nextKey()) });
  Deno.bench({ group: "search 1k", name, fn: async () => void await filled.search(nextQuery()) });
  Deno.bench({
    group: "add and search 1k",
    name,
    fn: async () => {
      await filled.add(nextKey(), { text: nextText() });
      await filled.search(nextQuery());
    },
  });
  Deno.bench({
    group: "first search 1k",
    name,
    fn: async () => void await memoryOn(backend, "filled").search(nextQuery()),
  });
}

/** A memory that has read nothing yet. */
function memoryOn(backend: StorageBackend, namespace: string): Memory {
  const info = { backend: backend.name, usingRedis: false, fallbackAvailable: false, reason: null, pending: 0 };
  const source = { open: () => Promise.resolve(backend), info: () => info, close: () => Promise.resolve() };
  return new Memory(source, { namespace: [namespace] });
}
