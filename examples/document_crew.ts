/**
 * A crew of agents reads a document: a splitter cuts it into sections, readers look for what each section is about, and
 * a librarian keeps what they found. One SQLite file, two processes. One reader fails now and then, and the second
 * process is killed in the middle of its work; nothing is lost all the same.
 *
 *     deno task demo [FILE] [QUERY]
 *
 * @module
 */

// deno-lint-ignore-file no-console -- a demonstration shows what it does

import {
  type AgentId,
  type AgentServer,
  type Batch,
  CountingMetrics,
  type JsonValue,
  type Key,
  MessageCoordinator,
  type ProcessContext,
  serveAgent,
  type StorageBackend,
} from "@tta/agent-coordination";
import { SqliteBackend } from "@tta/agent-coordination/sqlite";

const SPLITTER: AgentId = { type: "splitter" };
const READER: AgentId = { type: "reader" };
const LIBRARIAN: AgentId = { type: "librarian" };

const SECTION_CHARACTERS = 2000;
const LINE = new RegExp(`[^\\n]{1,${SECTION_CHARACTERS}}\\n?|\\n`, "gu");
const SECTIONS_A_STEP = 40; // each takes two operations, and a batch may have 100
const READING_MS = 20;
const STUCK_MS = 60_000;
const LEASE_MS = 1000; // how soon the work of a killed process is taken up by another

if (import.meta.main) {
  const [first, second] = Deno.args;
  if (first === "--second-process") await runSecondProcess(second ?? "");
  else Deno.exitCode = await main(Deno.args);
}

/** Returns what to exit with: 0 when nothing was lost, 1 when something was, 2 when there is no such document. */
async function main(args: readonly string[]): Promise<number> {
  const [file = decodeURIComponent(new URL("../README.md", import.meta.url).pathname), query, ...others] = args;
  const odd = args.find((arg) => arg.startsWith("-")) ?? others[0];
  if (odd !== undefined) {
    console.error(`Cannot use ${JSON.stringify(odd)}: the demo takes a file and a word to look for, and nothing else`);
    return 2;
  }
  let text: string;
  try {
    text = await Deno.readTextFile(file);
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound;
    const why = isMissing ? "there is no such file" : error instanceof Error ? error.message : String(error);
    console.error(`Cannot read ${JSON.stringify(file)}: ${why}`);
    return 2;
  }
  return await runCrew(file, text, query) === 0 ? 0 : 1;
}

/** Runs the crew on one document, prints what came of it, and returns how many messages were lost. */
async function runCrew(file: string, text: string, query?: string): Promise<number> {
  const directory = await Deno.makeTempDir({ prefix: "document-crew-" });
  const path = `${directory}/crew.sqlite`;
  try {
    await using backend = new SqliteBackend({ path });
    const metrics = new CountingMetrics();
    const crew = new MessageCoordinator(backend, { metrics, visibilityTimeoutMs: LEASE_MS, backoffBaseMs: 100 });
    console.log(`Reading ${file} (${text.length} characters) with ${path}`);

    const sections = split(text);
    await using _splitter = serveSplitter(crew, sections);
    await using _librarian = serveLibrarian(crew);
    const second = startSecondProcess(path, Math.min(3, sections.length));
    await crew.sendMessage({ type: "editor" }, SPLITTER, { messageId: "split-from-0", payload: { from: 0 } });
    await second.killed;
    await using _reader = serveReader(crew, "unsteady", true);
    await waitUntilRead(crew, sections.length);

    await printAnswer(backend, query);
    return await printTable(crew, metrics);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** The second process: one more reader, until it is killed. */
async function runSecondProcess(path: string): Promise<void> {
  await using backend = new SqliteBackend({ path });
  const crew = new MessageCoordinator(backend, { visibilityTimeoutMs: LEASE_MS });
  await using _reader = serveReader(crew, "doomed", false, (id) => console.log(id));
  for await (const _ of Deno.stdin.readable); // until the first process ends, should it not come to kill this one
}

/** Starts the second process and kills it, `kill -9`, as soon as it has begun to read so many sections. */
function startSecondProcess(path: string, sections: number): { readonly killed: Promise<void> } {
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-write", "--allow-env", import.meta.filename ?? "", "--second-process", path],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const killed = (async () => {
    let begun = 0;
    for await (const chunk of process.stdout.pipeThrough(new TextDecoderStream())) {
      begun += chunk.split("\n").length - 1;
      if (begun >= sections) break;
    }
    process.kill("SIGKILL");
    await process.status;
    await process.stdin.close().catch(() => {}); // nobody reads it any more
    console.log(`The second process was killed while it read section ${begun}`);
  })();
  return { killed };
}

/** Sends a number of sections to the readers in each step, and itself a message for the rest. */
function serveSplitter(crew: MessageCoordinator, sections: readonly string[]): AgentServer {
  return serveAgent(crew, {
    agentId: SPLITTER,
    process: ({ messageId, payload }, { also }) => {
      const from = Number(payload.from);
      const to = Math.min(from + SECTIONS_A_STEP, sections.length);
      for (let index = from; index < to; index++) {
        also(send(crew, SPLITTER, READER, `section-${index}`, { index, text: sections[index] ?? "" }));
      }
      if (to < sections.length) also(send(crew, SPLITTER, SPLITTER, `split-from-${to}`, { from: to }));
      also(handled(SPLITTER, messageId));
    },
  });
}

/** Looks for the words that a section is about, and sends them to the librarian. */
function serveReader(
  crew: MessageCoordinator,
  name: string,
  isUnsteady: boolean,
  onBegin: (id: string) => void = () => {},
): AgentServer {
  return serveAgent(crew, {
    agentId: READER,
    process: async ({ messageId, payload }, { attempt, queueMessage, also, signal }: ProcessContext) => {
      onBegin(messageId);
      const index = Number(payload.index);
      if (isUnsteady && attempt === 1 && index % 7 === 3) throw new Error(`${name} could not read section ${index}`);
      const words = countWords(String(payload.text));
      await new Promise((resolve) => setTimeout(resolve, READING_MS)); // a model would think here
      signal.throwIfAborted();
      const title = String(payload.text).trim().split("\n")[0]?.slice(0, 60) ?? "";
      also(send(crew, READER, LIBRARIAN, `finding-${index}`, { index, title, words }));
      also(handled(READER, messageId, queueMessage.lastError?.includes("lease expired")));
    },
  }, { concurrency: name === "doomed" ? 1 : 8 });
}

/** Stores what was found, in one atomic step with the acknowledgement. */
function serveLibrarian(crew: MessageCoordinator): AgentServer {
  return serveAgent(crew, {
    agentId: LIBRARIAN,
    process: ({ messageId, payload }, { also }) => {
      also({ operations: [{ type: "set", key: ["library", String(payload.index)], value: payload }] });
      also(handled(LIBRARIAN, messageId));
    },
  }, { concurrency: 8 });
}

/** A message as part of an atomic step, and a record that it was sent: the table at the end is made of these. */
function send(
  crew: MessageCoordinator,
  sender: AgentId,
  recipient: AgentId,
  messageId: string,
  payload: { readonly [name: string]: JsonValue },
): Batch {
  const { operations } = crew.prepareSend(sender, recipient, { messageId, payload });
  return { operations: [...operations, { type: "set", key: ["sent", recipient.type, messageId], value: true }] };
}

/** The record that a message was handled. */
function handled(agent: AgentId, messageId: string, recovered = false): Batch {
  return { operations: [{ type: "set", key: ["handled", agent.type, messageId], value: { recovered } }] };
}

/** Shows how far the crew is until every section is in the library. */
async function waitUntilRead(crew: MessageCoordinator, sections: number): Promise<void> {
  let deadline = Date.now() + STUCK_MS;
  for (let shown = -1; Date.now() < deadline;) {
    const stored = await crew.backend.count(["library"]);
    if (stored !== shown) {
      console.log(`${stored} of ${sections} sections are in the library`);
      deadline = Date.now() + STUCK_MS;
    }
    if (
      stored === sections && (await crew.stats()).every(({ ready, delayed, leased }) => ready + delayed + leased === 0)
    ) return;
    shown = stored;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error("Cannot wait for the crew any longer: it has not come on for a minute");
}

/** Answers a keyword query from the library: the sections in which the word stands most often. */
async function printAnswer(backend: StorageBackend, query?: string): Promise<void> {
  const sections: { index: number; title: string; words: Map<string, number> }[] = [];
  const total = new Map<string, number>();
  for await (const { value } of backend.list(["library"])) {
    if (!isFinding(value)) continue;
    const words = new Map(Object.entries(value.words));
    for (const [word, count] of words) total.set(word, (total.get(word) ?? 0) + count);
    sections.push({ index: value.index, title: value.title, words });
  }
  const word = query?.toLowerCase() ?? [...total].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "";
  const found = sections.filter(({ words }) => words.has(word));
  found.sort((a, b) => (b.words.get(word) ?? 0) - (a.words.get(word) ?? 0) || a.index - b.index);
  console.log(`\nWhere is "${word}"? In ${found.length} sections:`);
  for (const { index, title, words } of found.slice(0, 5)) {
    console.log(`  section ${index} (${words.get(word)} times): ${title}`);
  }
}

/** Prints what became of the messages, and returns how many were lost. */
async function printTable(crew: MessageCoordinator, metrics: CountingMetrics): Promise<number> {
  const { backend } = crew;
  const sent = await keysBelow(backend, ["sent"]);
  sent.add(JSON.stringify([SPLITTER.type, "split-from-0"]));
  const done = await keysBelow(backend, ["handled"]);
  let recovered = 0;
  for await (const { value } of backend.list(["handled"])) {
    if (typeof value === "object" && value !== null && "recovered" in value && value.recovered) recovered++;
  }
  const dead = (await crew.stats()).reduce((sum, stats) => sum + stats.dead, 0);
  const lost = [...sent].filter((id) => !done.has(id)).length - dead;
  console.log("\nmessages");
  const rows = {
    sent: sent.size,
    handled: done.size,
    retried: metrics.snapshot().retry.totalRetriesScheduled,
    recovered,
    dead,
    lost,
  };
  for (const [name, count] of Object.entries(rows)) console.log(`  ${name.padEnd(10)}${String(count).padStart(7)}`);
  return lost;
}

/** The keys below a prefix, without it. */
async function keysBelow(backend: StorageBackend, prefix: Key): Promise<Set<string>> {
  const keys = new Set<string>();
  for await (const { key } of backend.list(prefix)) keys.add(JSON.stringify(key.slice(prefix.length)));
  return keys;
}

/**
 * Cuts a text at its headings, and what is still long at line ends; and a line that is too long, wherever that falls.
 */
function split(text: string): string[] {
  const sections: string[] = [];
  let section = "";
  for (const [line] of text.matchAll(LINE)) {
    const isFull = section.length + line.length > SECTION_CHARACTERS;
    if (section.trim() !== "" && (line.startsWith("#") || isFull)) {
      sections.push(section);
      section = "";
    }
    section += line;
  }
  sections.push(section);
  return sections;
}

/** How often each word of at least six letters stands in a text; the twenty most frequent. */
function countWords(text: string): Record<string, number> {
  const counts = new Map<string, number>();
  for (const [word] of text.toLowerCase().matchAll(/\p{L}{6,}/gu)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return Object.fromEntries([...counts].sort((a, b) => b[1] - a[1]).slice(0, 20));
}

function isFinding(value: JsonValue): value is { index: number; title: string; words: Record<string, number> } {
  return typeof value === "object" && value !== null && "words" in value;
}
