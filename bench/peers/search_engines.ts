/** What searches texts, ours and the peers', behind one interface. @module */

import { DatabaseSync } from "node:sqlite";
import { MemoryBackend } from "../../backends/memory.ts";
import { SqliteBackend } from "../../backends/sqlite.ts";
import { MemoryPrimitive } from "../../presets/memory_primitive.ts";
import { porterStem } from "../../src/memory/porter.ts";
import { ENGLISH_STOP_WORDS } from "../../src/memory/stop_words.ts";

/** Finds the ten texts that fit a query best, and gives them back. */
export interface SearchEngine {
  /** Adds texts, numbered from `from` on, and makes them ready to be found. */
  add(texts: readonly string[], from: number): Promise<void>;
  search(query: string): Promise<unknown>;
  close(): Promise<void>;
  /** Writes what another engine can open; where it is not already written. */
  save?(): Promise<void>;
}

/** Makes an engine: a new one, or one of what stands in a file. */
export type OpenEngine = (path: string) => Promise<SearchEngine>;

const LIMIT = 10;
/** No text holds it. */
const NOWHERE = "zzyzx";

/** Ours, in this process alone. */
export function memory(): Promise<SearchEngine> {
  return Promise.resolve(engineOn(new MemoryBackend()));
}

/** Ours, on a file. */
export function sqlite(path: string): Promise<SearchEngine> {
  return Promise.resolve(engineOn(new SqliteBackend({ path })));
}

function engineOn(backend: MemoryBackend | SqliteBackend): SearchEngine {
  const entries = new MemoryPrimitive({ backend });
  return {
    add: async (texts, from) => {
      await entries.addMany(texts.map((text, index) => ({ key: `note:${from + index}`, value: { text } })));
      await entries.search(NOWHERE); // what was added is read by the next search, whose time belongs to the adding
    },
    search: (query) => entries.search(query, { limit: LIMIT }),
    close: async () => {
      await entries.close();
      await backend.close();
    },
  };
}

/**
 * MiniSearch with our stemming and stop-words. It is not asked for words that begin with the last one of a query, which
 * ours finds too: that would cost it more.
 */
export async function miniSearch(path: string): Promise<SearchEngine> {
  const { default: MiniSearch } = await import("npm:minisearch@7.2.0");
  const processTerm = (word: string) => {
    const lower = word.toLowerCase();
    return ENGLISH_STOP_WORDS.has(lower) ? null : porterStem(lower);
  };
  const options = { fields: ["text"], storeFields: ["text"], processTerm };
  const saved = await Deno.readTextFile(path).catch(() => null);
  const index = saved === null ? new MiniSearch(options) : MiniSearch.loadJSON(saved, options);
  return {
    add: (texts, from) => Promise.resolve(index.addAll(texts.map((text, each) => ({ id: from + each, text })))),
    search: (query) => Promise.resolve(index.search(query).slice(0, LIMIT)),
    close: () => Promise.resolve(),
    save: () => Deno.writeTextFile(path, JSON.stringify(index)),
  };
}

/**
 * SQLite's full-text index by itself, with its Porter stemmer. It is not asked for stop-words, which it has no list of.
 */
export function fts5(path: string): Promise<SearchEngine> {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL");
  database.exec("CREATE VIRTUAL TABLE IF NOT EXISTS texts USING fts5(text, tokenize = 'porter unicode61')");
  const insert = database.prepare("INSERT INTO texts (rowid, text) VALUES (?, ?)");
  const select = database.prepare("SELECT rowid, text FROM texts WHERE texts MATCH ? ORDER BY rank LIMIT ?");
  return Promise.resolve({
    add: (texts, from) => {
      database.exec("BEGIN");
      for (const [index, text] of texts.entries()) insert.run(from + index + 1, text);
      return Promise.resolve(database.exec("COMMIT"));
    },
    search: (query) => {
      const words = query.split(" ").filter((word) => !ENGLISH_STOP_WORDS.has(word)).map((word) => `"${word}"`);
      return Promise.resolve(select.all(words.join(" OR "), LIMIT));
    },
    close: () => Promise.resolve(database.close()),
  });
}
