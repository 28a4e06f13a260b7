/**
 * How well the memory finds what was asked for, on a collection of texts: `deno task eval:search DIR [--json]
 * [--embedder FILE] [--only MODE]`.
 *
 * `DIR` has `corpus.jsonl` (`id`, `text`, and optionally `session` and `order`, a number or a date; without it, lines
 * stand in their order), `queries.jsonl` (`id`, `text`) and `qrels.tsv` (query, document, grade; a grade above 0 counts
 * as relevant). Prints for each mode hit@1, recall@5, recall@10 and nDCG@10 by entry, and hit@1 and nDCG@5 by session;
 * `--json` prints an object a line. `--embedder` names a module whose default export is an `Embedder`, and adds the
 * modes that need one.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import { parseArgs } from "node:util";
import { MemoryPrimitive } from "../presets/memory_primitive.ts";
import type { Embedder, NewEntry, SearchOptions } from "../src/memory/model.ts";
import { partsOf } from "../src/storage/parts.ts";

interface Query {
  readonly id: string;
  readonly text: string;
}

interface Collection {
  readonly entries: readonly NewEntry[];
  readonly queries: readonly Query[];
  /** By query: the ids of what is relevant. */
  readonly relevant: ReadonlyMap<string, ReadonlySet<string>>;
}

/** What a mode came to: means over the queries that have anything relevant. */
interface Scores {
  readonly mode: string;
  readonly queries: number;
  readonly hit1: number;
  readonly recall5: number;
  readonly recall10: number;
  readonly ndcg10: number;
  /** `null` where the collection has no sessions, or the mode does not rank them. */
  readonly sessionHit1: number | null;
  readonly sessionNdcg5: number | null;
  readonly msPerQuery: number;
}

const MODES: Readonly<Record<string, SearchOptions>> = {
  "keyword": { mode: "keyword" },
  "keyword, no context": { mode: "keyword", context: false },
  "keyword, words only": { mode: "keyword", neighbours: false },
  "substring": { mode: "substring" }, // looks at every entry, and takes longest
};

const EMBEDDER_MODES: Readonly<Record<string, SearchOptions>> = {
  "semantic": { mode: "semantic" },
  "hybrid": { mode: "hybrid" },
};

const FORMAT = "DIR has corpus.jsonl (id, text, and optionally session and order), queries.jsonl (id, text) and " +
  "qrels.tsv (query, document, grade)";

if (import.meta.main) Deno.exitCode = await main(Deno.args);

/** Evaluates what is asked for and returns what to exit with. */
async function main(args: string[]): Promise<number> {
  const { values, positionals: [directory] } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      embedder: { type: "string" },
      only: { type: "string" },
    },
  });
  if (directory === undefined) {
    console.error("Cannot evaluate: say where the collection is, as in `deno task eval:search DIR`");
    console.error(FORMAT);
    return 2;
  }
  const collection = await readCollection(directory).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.error(`Cannot evaluate: ${error.message}`);
    return null;
  });
  if (collection === null) {
    console.error(FORMAT);
    return 2;
  }
  const embedder = values.embedder === undefined ? null : await loadEmbedder(values.embedder);
  await using memory = new MemoryPrimitive(embedder ? { embedder, embedTimeoutMs: 600_000 } : {});
  for (const some of partsOf(collection.entries, 100)) await memory.addMany(some);
  await memory.search("anything"); // the first search reads all entries, and is not timed
  if (!values.json) print(["mode", "queries", "hit@1", "rec@5", "rec@10", "nDCG@10", "s hit@1", "s nDCG@5", "ms"]);
  const modes = Object.entries({ ...(embedder && EMBEDDER_MODES), ...MODES });
  for (const [mode, options] of modes.filter(([mode]) => values.only === undefined || mode === values.only)) {
    const scores = await evaluate(memory, collection, mode, options);
    if (values.json) console.log(JSON.stringify(scores));
    else {
      const { queries, hit1, recall5, recall10, ndcg10, sessionHit1, sessionNdcg5, msPerQuery } = scores;
      const figures = [hit1, recall5, recall10, ndcg10, sessionHit1, sessionNdcg5];
      print([mode, String(queries), ...figures.map((each) => each?.toFixed(3) ?? "-"), msPerQuery.toFixed(2)]);
    }
  }
  return 0;
}

/** Asks all queries in one mode. */
async function evaluate(
  memory: MemoryPrimitive,
  { entries, queries, relevant }: Collection,
  mode: string,
  options: SearchOptions,
): Promise<Scores> {
  const sessionOf = new Map(entries.map(({ key, session }) => [key, session ?? null]));
  const ranksSessions = options.mode !== "substring" && entries.some(({ session }) => session !== null);
  const sums = { hit1: 0, recall5: 0, recall10: 0, ndcg10: 0, sessionHit1: 0, sessionNdcg5: 0 };
  let [count, elapsedMs] = [0, 0];
  for (const { id, text } of queries) {
    const wanted = relevant.get(id);
    if (wanted === undefined) continue;
    count++;
    const startedAt = performance.now();
    const found = (await memory.search(text, { ...options, limit: 10 })).map(({ key }) => key);
    elapsedMs += performance.now() - startedAt;
    sums.hit1 += recall(found, wanted, 1) > 0 ? 1 : 0;
    sums.recall5 += recall(found, wanted, 5);
    sums.recall10 += recall(found, wanted, 10);
    sums.ndcg10 += ndcg(found, wanted, 10);
    if (!ranksSessions) continue;
    const sessions = (await memory.searchSessions(text, { ...options, limit: 5 })).map(({ session }) => session);
    const wantedSessions = new Set([...wanted].map((key) => sessionOf.get(key) ?? "").filter((each) => each !== ""));
    sums.sessionHit1 += recall(sessions, wantedSessions, 1) > 0 ? 1 : 0;
    sums.sessionNdcg5 += ndcg(sessions, wantedSessions, 5);
  }
  const mean = (sum: number) => sum / Math.max(1, count);
  return {
    mode,
    queries: count,
    hit1: mean(sums.hit1),
    recall5: mean(sums.recall5),
    recall10: mean(sums.recall10),
    ndcg10: mean(sums.ndcg10),
    sessionHit1: ranksSessions ? mean(sums.sessionHit1) : null,
    sessionNdcg5: ranksSessions ? mean(sums.sessionNdcg5) : null,
    msPerQuery: mean(elapsedMs),
  };
}

/** Which part of what is wanted is among the first `depth`. */
export function recall(found: readonly string[], wanted: ReadonlySet<string>, depth: number): number {
  return found.slice(0, depth).filter((each) => wanted.has(each)).length / Math.max(1, wanted.size);
}

/** The gain of the first `depth`, discounted by the logarithm of their ranks, beside the best that could be. */
export function ndcg(found: readonly string[], wanted: ReadonlySet<string>, depth: number): number {
  const gain = (rank: number) => 1 / Math.log2(rank + 2);
  let [actual, best] = [0, 0];
  for (let rank = 0; rank < depth; rank++) {
    if (wanted.has(found[rank] ?? "")) actual += gain(rank);
    if (rank < wanted.size) best += gain(rank);
  }
  return best === 0 ? 0 : actual / best;
}

async function readCollection(directory: string): Promise<Collection> {
  const [documents, queries] = await Promise.all([
    readLines(`${directory}/corpus.jsonl`),
    readLines(`${directory}/queries.jsonl`),
  ]);
  const entries = documents.map((line, index): NewEntry => {
    const { id, text, session = null, order } = JSON.parse(line);
    return {
      key: String(id),
      value: { text: String(text) },
      session: session === null ? null : String(session),
      order: toOrder(order) ?? index,
    };
  });
  const relevant = new Map<string, Set<string>>();
  for (const line of await readLines(`${directory}/qrels.tsv`)) {
    const [query = "", document = "", grade = "1"] = line.split("\t");
    if (!(Number(grade) > 0)) continue; // the head of the table too
    const documents = relevant.get(query) ?? new Set();
    relevant.set(query, documents.add(document));
  }
  return { entries, queries: queries.map((line) => toQuery(JSON.parse(line))), relevant };
}

/** A number, or a date as a number; `null` where there is none. */
function toOrder(order: unknown): number | null {
  if (order === undefined || order === null || order === "") return null;
  const number = Number.isFinite(Number(order)) ? Number(order) : Date.parse(String(order));
  return Number.isFinite(number) ? number : null;
}

function toQuery({ id, text }: { readonly id: unknown; readonly text: unknown }): Query {
  return { id: String(id), text: String(text) };
}

async function readLines(path: string): Promise<string[]> {
  return (await Deno.readTextFile(path)).split(/\r?\n/).filter((line) => line.trim() !== "");
}

async function loadEmbedder(path: string): Promise<Embedder> {
  const module = await import(new URL(path, `file://${Deno.cwd()}/`).href);
  return module.default;
}

function print(columns: readonly string[]): void {
  console.log(columns.map((column, index) => index === 0 ? column.padEnd(20) : column.padStart(9)).join(" "));
}
