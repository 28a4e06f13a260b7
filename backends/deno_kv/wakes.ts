/** Wake-ups: at once within the process, by each process's bulletin across processes. @module */

import { systemClock } from "../../src/clock.ts";
import { randomId } from "../../src/ids.ts";
import type { Unlisten } from "../../src/storage/backend.ts";
import { Listeners } from "../../src/storage/listeners.ts";
import { decodeBulletin, encodeBulletin } from "./codec.ts";
import type { Draft } from "./draft.ts";
import { type DenoKvEntry, MAX_PAGE } from "./driver.ts";
import type { Engine } from "./engine.ts";
import type { Layout } from "./layout.ts";

/** How wake-ups of other processes are noticed. */
export interface WakesOptions {
  /** How long between two looks at the bulletins, while anybody listens. */
  readonly pollMs: number;
  /** Whether the engine tells of changes that other processes make, so that a look need not wait. */
  readonly watch: boolean;
}

// A bulletin names the last topics; who has missed more wakes everybody.
const BULLETIN_TOPICS = 16;

// A process that has woken nobody for so long has no bulletin.
const BULLETIN_KEPT_MS = 3_600_000;

/**
 * Each process keeps one entry, its bulletin, with the topics that it woke last, and writes it in the same atomic as
 * what it wakes for; only this process writes it, so that nobody contends for it. The others read all bulletins every
 * `pollMs`, and at once where the engine pushes: then a key that all of them set, the bell, is watched.
 */
export class Wakes {
  readonly #engine: Engine;
  readonly #layout: Layout;
  readonly #options: WakesOptions;
  readonly #instance = randomId();
  readonly #listeners = new Listeners();
  #posted: string[] = [];
  #postedCount = 0;
  /** The bulletins as they were seen last, by instance. */
  #seen: ReadonlyMap<string, { readonly versionstamp: string; readonly count: number }> = new Map();
  #missed = false;
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;
  #looking: Promise<void> | null = null;
  #lookAgain = false;
  #cancelTimer = () => {};
  #watcher: ReadableStreamDefaultReader<unknown> | null = null;

  /** The wake-ups of one instance of a backend. */
  constructor(engine: Engine, layout: Layout, options: WakesOptions) {
    this.#engine = engine;
    this.#layout = layout;
    this.#options = options;
  }

  /** Writes the bulletin along with what others are to be woken for. */
  post(draft: Draft): void {
    if (draft.topics.size === 0) return;
    this.#postedCount += draft.topics.size;
    this.#posted = [...this.#posted.filter((topic) => !draft.topics.has(topic)), ...draft.topics].slice(
      -BULLETIN_TOPICS,
    );
    const expiresAtMs = draft.nowMs + BULLETIN_KEPT_MS;
    const bulletin = encodeBulletin(this.#postedCount, this.#posted);
    draft.set("w", this.#layout.bulletin(this.#instance), bulletin, expiresAtMs);
    if (this.#options.watch) draft.set("b", this.#layout.bell, this.#instance, expiresAtMs);
  }

  /** Wakes those who listen in this process. */
  wake(topics: Iterable<string>): void {
    for (const topic of topics) this.#listeners.wake(topic);
  }

  /** Calls `wake` when a topic is woken, here or elsewhere. Resolves once later commits are noticed. */
  async listen(topic: string, wake: () => void): Promise<Unlisten> {
    const unlisten = this.#listeners.add(topic, wake);
    try {
      await (this.#starting ??= this.#start());
    } catch (error) {
      this.#starting = null;
      await unlisten();
      throw error;
    }
    return async () => {
      await unlisten();
      if (this.#listeners.size === 0) this.#stopping = this.#stop(); // a look that is under way is not waited for
    };
  }

  /** Forgets everybody, and lets go of timer and stream. */
  async close(): Promise<void> {
    this.#listeners.wakeAll(); // whoever waits is to learn of it now
    this.#listeners.clear();
    await Promise.all([this.#stopping, this.#stop()]);
  }

  async #start(): Promise<void> {
    const deadlineMs = this.#engine.deadline();
    this.#seen = toSeen(await this.#engine.page(this.#layout.bulletins(), { limit: Infinity }, deadlineMs));
    this.#arm();
    if (this.#options.watch) void this.#watch();
  }

  async #stop(): Promise<void> {
    await this.#starting?.catch(() => {});
    if (this.#listeners.size > 0) return; // somebody has come in the meantime
    this.#starting = null;
    this.#cancelTimer();
    const watcher = this.#watcher;
    this.#watcher = null;
    await watcher?.cancel().catch(() => {});
    await this.#looking;
  }

  #arm(): void {
    this.#cancelTimer();
    this.#cancelTimer = systemClock.setTimer(() => {
      void this.#look();
      if (this.#options.watch && this.#watcher === null) void this.#watch();
    }, this.#options.pollMs);
  }

  /** Looks at the bulletins; a look that is asked for during another follows it. */
  #look(): Promise<void> {
    if (this.#looking) {
      this.#lookAgain = true;
      return this.#looking;
    }
    return this.#looking = this.#lookOnce().finally(() => {
      this.#looking = null;
      if (this.#listeners.size === 0) return;
      this.#arm();
      if (this.#lookAgain) void this.#look();
      this.#lookAgain = false;
    });
  }

  async #lookOnce(): Promise<void> {
    try {
      const entries = await this.#engine.page(this.#layout.bulletins(), { limit: Infinity }, this.#engine.deadline());
      const before = this.#seen;
      this.#seen = toSeen(entries);
      // What more bulletins than a page would tell, nobody knows.
      if (this.#missed || entries.length === MAX_PAGE) this.#listeners.wakeAll();
      else for (const entry of entries) this.#heed(entry, before.get(String(entry.key[2])));
      this.#missed = false;
    } catch {
      this.#missed = true; // the next look that succeeds wakes everybody
    }
  }

  #heed({ key, value, versionstamp }: DenoKvEntry, before: { versionstamp: string; count: number } | undefined): void {
    if (String(key[2]) === this.#instance || before?.versionstamp === versionstamp) return;
    const { count, topics } = decodeBulletin(value);
    if (count - (before?.count ?? 0) > topics.length) this.#listeners.wakeAll();
    else this.wake(topics);
  }

  async #watch(): Promise<void> {
    try {
      const kv = await this.#engine.opened(this.#engine.deadline());
      // deno-coverage-ignore -- the client is open by now: there is no time for anybody to come or go
      if (this.#listeners.size === 0 || this.#watcher) return;
      const reader = this.#watcher = kv.watch([this.#layout.bell]).getReader();
      while (!(await reader.read()).done) void this.#look();
    } catch {
      // The stream broke: the poll goes on, and opens another.
    }
    this.#watcher = null;
  }
}

function toSeen(entries: readonly DenoKvEntry[]): Map<string, { versionstamp: string; count: number }> {
  return new Map(
    entries.map((
      { key, value, versionstamp },
    ) => [String(key[2]), { versionstamp, count: decodeBulletin(value).count }]),
  );
}
