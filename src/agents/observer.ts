/** Looks again and again which sessions have fallen silent, and has the dead among them removed. @module */

import { monotonicMs } from "../clock.ts";
import { BackendClosedError } from "../errors.ts";
import type { StorageBackend } from "../storage/backend.ts";
import type { AgentKeys } from "./agent_keys.ts";
import type { Reaper } from "./reaper.ts";
import type { RegistryConfig } from "./registry_options.ts";
import { readSessions, type SeenSession } from "./sessions.ts";

/** Where a mark is about to expire, it is looked for this often at least. */
const CLOSE_LOOK_MS = 500;

/** What a look finds. */
export interface Look {
  /** All sessions by id. */
  readonly sessions: ReadonlyMap<string, SeenSession>;
  /** Whether the store was there for more than an interval, so that who is silent has had the chance to be heard. */
  readonly isSettled: boolean;
}

type Sessions = Look["sessions"];

/** A mark that is watched: since when, at the earliest, its session has been silent. */
interface Silence {
  readonly beat: string | null;
  readonly sinceMs: number;
}

/**
 * Runs while somebody needs it. It looks once an interval, and more often only when a mark is about to expire. A death
 * is declared only by an observer that has itself seen the store without a break for a whole TTL: while the store is
 * away nobody can send a heartbeat, and when it is back everybody has that long to do so.
 */
export class Observer {
  readonly #backend: StorageBackend;
  readonly #keys: AgentKeys;
  readonly #config: RegistryConfig;
  readonly #reaper: Reaper;
  readonly #ownSession: () => string | null;
  readonly #listeners = new Set<(look: Look) => void>();
  readonly #silences = new Map<string, Silence>();
  #users = 0;
  #looking: Promise<void> | null = null;
  #cancelTimer: (() => void) | null = null;
  #watchingSinceMs = 0;
  #lastLookMs = NaN;

  /** Looks at nothing before `hold`. `ownSession` is the one that this process itself keeps alive. */
  constructor(
    backend: StorageBackend,
    keys: AgentKeys,
    config: RegistryConfig,
    reaper: Reaper,
    ownSession: () => string | null,
  ) {
    this.#backend = backend;
    this.#keys = keys;
    this.#config = config;
    this.#reaper = reaper;
    this.#ownSession = ownSession;
  }

  /** Has it run until the returned function is called; `onLook` is called after each look. */
  hold(onLook: (look: Look) => void = () => {}): () => Promise<void> {
    const own = (look: Look) => onLook(look);
    this.#listeners.add(own);
    if (this.#users++ === 0) {
      this.#lastLookMs = NaN;
      void this.#run();
    }
    return async () => {
      this.#listeners.delete(own);
      if (--this.#users > 0) return;
      this.#cancel();
      await this.#looking;
    };
  }

  #run(): Promise<void> {
    this.#looking ??= this.#look().finally(() => this.#looking = null);
    return this.#looking;
  }

  async #look(): Promise<void> {
    const { clock, intervalMs } = this.#config;
    this.#cancel();
    let waitMs = Math.min(intervalMs, CLOSE_LOOK_MS);
    try {
      const startedAtMs = monotonicMs(clock);
      const sessions = await readSessions(this.#backend, this.#keys);
      this.#continue();
      this.#note(sessions, startedAtMs);
      const isSettled = this.#hasWatchedFor(1.5 * intervalMs);
      for (const listener of this.#listeners) listener({ sessions, isSettled });
      await this.#reap(sessions);
      waitMs = this.#untilNextLookMs(sessions);
    } catch (error) {
      this.#lastLookMs = NaN; // what happens in the meantime is not seen
      if (error instanceof BackendClosedError) return;
    }
    if (this.#users > 0) this.#cancelTimer = clock.setTimer(() => void this.#run(), waitMs);
  }

  /**
   * Goes on watching, or begins anew where too much time has passed since the last look, or in this one: from its end,
   * for a look that took long may have waited for the store as long as everybody's heartbeats did.
   */
  #continue(): void {
    const nowMs = monotonicMs(this.#config.clock);
    const allowedMs = 2 * this.#config.intervalMs + CLOSE_LOOK_MS;
    const gapMs = nowMs - this.#lastLookMs;
    if (!(gapMs >= 0 && gapMs <= allowedMs)) this.#watchingSinceMs = nowMs;
    this.#lastLookMs = nowMs;
  }

  /** Notes since when each session has been silent; before it was first seen, it may have been for an interval. */
  #note(sessions: Sessions, lookedAtMs: number): void {
    const { intervalMs } = this.#config;
    for (const id of this.#silences.keys()) if (!sessions.has(id)) this.#silences.delete(id);
    for (const [id, { beat }] of sessions) {
      const silence = this.#silences.get(id);
      if (silence?.beat === beat || (silence && beat === null)) continue;
      this.#silences.set(id, { beat, sinceMs: lookedAtMs - intervalMs });
    }
  }

  async #reap(sessions: Sessions): Promise<void> {
    const own = this.#ownSession();
    const dead = [...sessions].filter(([id, { known }]) => !known && id !== own).map(([id]) => id);
    if (dead.length > 0 && this.#hasWatchedFor(this.#config.ttlMs)) await this.#reaper.reap(sessions, new Set(dead));
  }

  #hasWatchedFor(durationMs: number): boolean {
    return monotonicMs(this.#config.clock) - this.#watchingSinceMs >= durationMs;
  }

  /** An interval, or less where the mark of some session is about to expire. */
  #untilNextLookMs(sessions: Sessions): number {
    const { clock, intervalMs } = this.#config;
    const own = this.#ownSession();
    const nowMs = monotonicMs(clock);
    let nextMs = nowMs + intervalMs;
    for (const [id, { record, alive, known }] of sessions) {
      const silence = this.#silences.get(id);
      if (id === own || silence === undefined) continue;
      const { ttlMs, suspicionMs } = record ?? this.#config;
      if (alive) nextMs = Math.min(nextMs, silence.sinceMs + ttlMs);
      else if (known) nextMs = Math.min(nextMs, silence.sinceMs + ttlMs + suspicionMs);
      else nextMs = Math.min(nextMs, Math.max(nowMs, this.#watchingSinceMs + this.#config.ttlMs));
    }
    return Math.max(nextMs - nowMs, Math.min(intervalMs / 4, CLOSE_LOOK_MS));
  }

  #cancel(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }
}
