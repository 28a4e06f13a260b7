/** Searches of a memory, beside MiniSearch and SQLite's FTS5; as a program, either side of it. @module */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { makeQueries, makeTexts } from "../texts.ts";
import { serveRounds } from "./child.mjs";
import { type Comparison, inDeno, type Round } from "./comparison.ts";
import { comparisons as store } from "./memory_store.ts";
import { fts5, memory, miniSearch, type OpenEngine, type SearchEngine, sqlite } from "./search_engines.ts";

const SEARCHES = { rate: "", p99: " p99" } as const;
const INDEXING = { rate: "", bytes: " bytes per entry" } as const;
const UNITS: Readonly<Record<string, Pick<Comparison, "unit" | "better">>> = {
  rate: { unit: "/s" },
  p99: { unit: "ms", better: "lower" },
  bytes: { unit: "bytes", better: "lower" },
  ms: { unit: "ms", better: "lower" },
};

/**
 * Entries of 50 words, all in this runtime; both sides give the ten best back with their texts. A search follows what
 * other processes may have written, an indexing ends when the first search finds it all, opening with the first answer.
 */
export const comparisons: readonly Comparison[] = [
  ...store,
  ...beside("memory", "minisearch", "search 1k", SEARCHES),
  ...beside("memory", "minisearch", "search 10k", SEARCHES),
  ...beside("memory", "minisearch", "search 100k", SEARCHES),
  ...beside("memory", "minisearch", "index 10k", INDEXING),
  ...beside("memory", "minisearch", "index 100k", INDEXING),
  ...beside("memory", "fts5", "index 10k", { rate: "" }),
  ...beside("memory", "minisearch", "add and search 100k", { rate: "" }),
  ...beside("sqlite", "fts5", "search 1k", SEARCHES),
  ...beside("sqlite", "fts5", "search 10k", SEARCHES),
  ...beside("sqlite", "fts5", "search 100k", SEARCHES),
  ...beside("sqlite", "fts5", "index 10k", { rate: "" }),
  ...beside("sqlite", "minisearch", "open 100k", { ms: "" }),
];

function beside(
  ours: string,
  peer: string,
  task: string,
  figures: Readonly<Record<string, string>>,
): Comparison[] {
  const side = (engine: string) => inDeno(import.meta.url, `${engine} ${task}`);
  return Object.entries(figures).map(([figure, suffix]) => ({
    name: `${ours} ${task}${suffix} vs ${peer}`,
    ...UNITS[figure] ?? { unit: "" },
    figure,
    isLong: ours === "sqlite" || !task.endsWith(" 1k"),
    ours: side(ours),
    peer: side(peer),
  }));
}

if (import.meta.main) {
  const engines: Readonly<Record<string, OpenEngine>> = { memory, sqlite, minisearch: miniSearch, fts5 };
  const directory = Deno.makeTempDirSync({ prefix: "bench-" });
  addEventListener("unload", () => Deno.removeSync(directory, { recursive: true }));
  let files = 0;
  const newFile = () => `${directory}/${files++}`;
  const scenarios = Object.entries(engines).flatMap(([name, open]) =>
    Object.entries({ "1k": 1000, "10k": 10_000, "100k": 100_000 }).flatMap(([size, count]) => [
      [`${name} search ${size}`, searches(open, newFile(), count)],
      [`${name} add and search ${size}`, additions(open, newFile(), count)],
      [`${name} index ${size}`, indexings(open, newFile, count)],
      [`${name} open ${size}`, openings(open, newFile(), count)],
    ])
  );
  await serveRounds(Object.fromEntries(scenarios));
}

/** Searches one after the other: how many a second, and how long the slowest of a hundred takes. */
function searches(open: OpenEngine, path: string, count: number): (durationMs: number) => Promise<Round> {
  const queries = endless(makeQueries());
  let engine: SearchEngine | null = null;
  return async (durationMs) => {
    engine ??= await filled(open, path, count);
    const latencies: number[] = [];
    const startedAt = performance.now();
    for (let now = startedAt; now - startedAt < durationMs;) {
      await engine.search(queries());
      latencies.push(-now + (now = performance.now()));
    }
    const rate = latencies.length * 1000 / (performance.now() - startedAt);
    return { rate, p99: latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length * 0.99)] ?? NaN };
  };
}

/** Adds one text and searches, over and over. */
function additions(open: OpenEngine, path: string, count: number): (durationMs: number) => Promise<Round> {
  const queries = endless(makeQueries());
  let engine: SearchEngine | null = null;
  let added = count;
  return async (durationMs) => {
    engine ??= await filled(open, path, count);
    const before = added;
    const startedAt = performance.now();
    while (performance.now() - startedAt < durationMs) {
      await engine.add([`another text about ${queries()}`], added++);
      await engine.search(queries());
    }
    return { rate: (added - before) * 1000 / (performance.now() - startedAt) };
  };
}

/** Adds all texts at once, to a new engine each round: entries a second, and what is on the heap afterwards. */
function indexings(open: OpenEngine, newFile: () => string, count: number): () => Promise<Round> {
  let texts: string[] | null = null;
  return async () => {
    texts ??= makeTexts(count);
    const bytesBefore = usedBytes();
    const engine = await open(newFile());
    const startedAt = performance.now();
    await engine.add(texts, 0);
    const rate = count * 1000 / (performance.now() - startedAt);
    const bytes = (usedBytes() - bytesBefore) / count;
    await engine.close();
    return { rate, bytes };
  };
}

/** Opens what was saved and searches: what a process waits for that starts. */
function openings(open: OpenEngine, path: string, count: number): () => Promise<Round> {
  const queries = endless(makeQueries());
  let isSaved = false;
  return async () => {
    if (!isSaved) {
      const engine = await filled(open, path, count);
      await engine.save?.();
      await engine.close();
      isSaved = true;
    }
    const startedAt = performance.now();
    const engine = await open(path);
    await engine.search(queries());
    const ms = performance.now() - startedAt;
    await engine.close();
    return { ms };
  };
}

async function filled(open: OpenEngine, path: string, count: number): Promise<SearchEngine> {
  const engine = await open(path);
  await engine.add(makeTexts(count), 0);
  return engine;
}

function endless<Item>(items: readonly Item[]): () => Item {
  let next = 0;
  return () => {
    const item = items[next++ % items.length];
    if (item === undefined) throw new RangeError("Cannot go on: there are no items");
    return item;
  };
}

/** What is on the heap, garbage aside. */
function usedBytes(): number {
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}
