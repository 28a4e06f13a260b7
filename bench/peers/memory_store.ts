/** The bounded store, beside lru-cache; as a program, either side of it. @module */

import type { JsonValue } from "../../src/storage/json.ts";
import { InMemoryStore } from "../../src/memory/in_memory_store.ts";
import { randomNumbers } from "../texts.ts";
import { serveRounds } from "./child.mjs";
import { type Comparison, inDeno, type Round } from "./comparison.ts";

const FIGURES = ["get", "set", "set evict"] as const;

/**
 * Both in this runtime, with 10,000 entries, used as often as they are old. Texts are the same work for both. Of
 * objects ours keeps and gives out copies, so that nobody's later changes reach the store: lru-cache is measured with
 * the cheapest copies that a caller can make, and without any.
 */
export const comparisons: readonly Comparison[] = [
  ...beside("text", "", "lru-cache"),
  ...beside("object", " object", "lru-cache copied"),
  ...beside("object", " object", "lru-cache"),
];

function beside(value: string, suffix: string, peer: string): Comparison[] {
  const side = (store: string) => inDeno(import.meta.url, `${store} ${value}`);
  return FIGURES.map((figure) => ({
    name: `memory-store ${figure}${suffix} vs ${peer}`,
    unit: "ns/call",
    better: "lower",
    figure,
    ours: side("memory-store"),
    peer: side(peer),
  }));
}

const SIZE = 10_000;
const CALLS_BETWEEN_LOOKS = 1000;
const TEXT = "asked about the weather in Oslo";
const OBJECT = { text: TEXT, turn: 7, done: false };

interface Store<Value> {
  get(key: string): unknown;
  set(key: string, value: Value): void;
}

if (import.meta.main) {
  const { LRUCache } = await import("npm:lru-cache@11.5.3");
  const ours = () => {
    const store = new InMemoryStore({ maxSize: SIZE });
    return { get: (key: string) => store.get(key), set: (key: string, value: JsonValue) => store.add(key, value) };
  };
  const peer = () => {
    const cache = new LRUCache<string, NonNullable<JsonValue>>({ max: SIZE });
    return {
      get: (key: string) => cache.get(key),
      set: (key: string, value: NonNullable<JsonValue>) => void cache.set(key, value),
    };
  };
  const copyingPeer = () => {
    const cache = new LRUCache<string, typeof OBJECT>({ max: SIZE });
    return {
      get: (key: string) => ({ ...cache.get(key) }),
      set: (key: string, value: typeof OBJECT) => void cache.set(key, { ...value }),
    };
  };
  await serveRounds({
    "memory-store text": measured(ours(), TEXT),
    "memory-store object": measured(ours(), OBJECT),
    "lru-cache text": measured(peer(), TEXT),
    "lru-cache object": measured(peer(), OBJECT),
    "lru-cache copied object": measured(copyingPeer(), OBJECT),
  });
}

/** Rounds in which a third of the time goes to each kind of call. */
function measured<Value>(store: Store<Value>, value: Value): (durationMs: number) => Promise<Round> {
  const random = randomNumbers(1);
  const keys = Array.from({ length: 2 * SIZE }, (_, index) => `user:${index % 97}:session:${index}`);
  for (const key of keys.slice(0, SIZE)) store.set(key, value);
  // The product of two draws prefers low numbers: some entries are used much more often than others.
  const used = Array.from({ length: 2 ** 16 }, () => keys[Math.floor(random() * random() * SIZE)] ?? "");
  let call = 0;
  let found: unknown = null;
  return (durationMs) => {
    const share = durationMs / FIGURES.length;
    const get = timed(share, () => found = store.get(used[call++ % used.length] ?? ""));
    if (found === undefined) throw new Error("Cannot measure: an entry is missing");
    const set = timed(share, () => store.set(used[call++ % used.length] ?? "", value));
    // Of twice as many keys as entries, in turn, none is there when it comes again.
    const evict = timed(share, () => store.set(keys[call++ % keys.length] ?? "", value));
    for (const key of keys.slice(0, SIZE)) store.set(key, value);
    return Promise.resolve({ get, set, "set evict": evict });
  };
}

/** How long a call takes, one after the other, in nanoseconds. */
function timed(durationMs: number, call: () => void): number {
  const startedAt = performance.now();
  let calls = 0;
  let elapsedMs = 0;
  for (; elapsedMs < durationMs; elapsedMs = performance.now() - startedAt) {
    for (let each = 0; each < CALLS_BETWEEN_LOOKS; each++) call();
    calls += CALLS_BETWEEN_LOOKS;
  }
  return elapsedMs * 1e6 / calls;
}
