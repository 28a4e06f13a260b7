/** Who listens: one connection that the server tells of commits, and a slow poll beside it. @module */

import { monotonicMs, sleep, systemClock } from "../../src/clock.ts";
import { randomId } from "../../src/ids.ts";
import type { Unlisten } from "../../src/storage/backend.ts";
import { Listeners } from "../../src/storage/listeners.ts";
import { UnderWay } from "../../src/storage/under_way.ts";
import { type Connection, within } from "./connection.ts";
import { LateError } from "./faults.ts";
import type { Statements } from "./statements.ts";

/** However quiet it is, everybody is woken this often: a notification may be lost, and proxies pass none on. */
export const POLL_MS = 1000;

/** Others notify for so long after somebody has said that he listens, which is said again well before. */
const LISTENING_MS = 60_000;
const SAY_EVERY_MS = 20_000;

/** The server takes a little less than 8000 bytes. */
const MAX_PAYLOAD = 7900;

/** What a listener needs. */
export interface WakeupParts {
  readonly connection: Connection;
  readonly statements: Statements;
  readonly namespace: string;
  readonly channel: string;
  readonly limitMs: number;
}

/** The listeners of one backend. */
export class Wakeups {
  readonly #parts: WakeupParts;
  readonly #listeners = new Listeners();
  /** Put before every payload, so that a process does not wake itself twice. */
  readonly #self = randomId();
  #polling: AbortController | null = null;
  #hearing: Promise<() => Promise<void>> | null = null;
  /** Whether the connection has been let go of since, and what was heard by it. */
  #isDeaf = () => false;
  #saidAtMs = -Infinity;
  #saying: Promise<void> | null = null;
  /** What goes on in the background: the polls, and the ends of listenings. */
  readonly #underWay = new UnderWay();

  /** Made of these parts. */
  constructor(parts: WakeupParts) {
    this.#parts = parts;
  }

  /** Calls `wake` whenever the topic is woken, from when the returned promise resolves. */
  async listen(topic: string, wake: () => void): Promise<Unlisten> {
    const unlisten = this.#listeners.add(topic, wake, () => this.#rest());
    if (this.#polling === null) this.#start();
    const hearing = this.#hearing; // which is let go of as soon as it fails
    try {
      await this.#say();
      await hearing;
      return unlisten;
    } catch (error) {
      await unlisten();
      throw error;
    }
  }

  /** Wakes those of this process. */
  wake(topics: Iterable<string>): void {
    for (const topic of topics) this.#listeners.wake(topic);
  }

  /** Wakes everybody of this process. */
  wakeAll(): void {
    this.#listeners.wakeAll();
  }

  /** What others are told of topics: which, or that there were too many to say. */
  payload(topics: ReadonlySet<string>): string {
    const payload = JSON.stringify([this.#self, ...topics]);
    // A character takes at most 3 bytes, and what takes more two of these.
    return payload.length * 3 <= MAX_PAYLOAD ? payload : JSON.stringify([this.#self]);
  }

  /** Ends the connection; nobody is woken any more. */
  async close(): Promise<void> {
    this.#listeners.clear();
    this.#rest();
    await this.#underWay.drain();
  }

  #start(): void {
    const polling = this.#polling = new AbortController();
    void this.#underWay.run(() => this.#poll(polling.signal));
    this.#hear();
  }

  /** Lets go of everything while nobody listens: that the server is told, nobody has to wait for. */
  #rest(): void {
    this.#polling?.abort();
    this.#polling = null;
    const hearing = this.#hearing;
    this.#hearing = null;
    if (hearing) void this.#underWay.run(() => this.#stop(hearing));
  }

  async #stop(hearing: Promise<() => Promise<void>>): Promise<void> {
    const stop = await hearing.catch(() => null);
    // A server that does not answer ends it by losing the connection.
    if (stop) await within(monotonicMs(systemClock) + this.#parts.limitMs, stop).catch(() => {});
  }

  #hear(): void {
    const { connection, channel, limitMs } = this.#parts;
    this.#isDeaf = () => false;
    const hearing = (async () => {
      const driver = await connection.driver();
      const { resets } = driver;
      this.#isDeaf = () => driver.resets > resets;
      const listening = driver.listen(channel, (payload) => this.#onPayload(payload), () => this.wakeAll());
      // Without it, the poll is left: a proxy may take no listener, and the client tries by itself to connect again.
      return await within(monotonicMs(systemClock) + limitMs, () => listening).catch((error) => {
        if (error instanceof LateError) return () => listening.then((stop) => stop());
        throw error;
      });
    })().catch((error) => {
      if (error instanceof TypeError) throw error;
      this.#isDeaf = () => true; // the poll tries again
      return () => Promise.resolve();
    });
    hearing.catch(() => {
      if (this.#hearing === hearing) this.#hearing = null; // the poll tries again
    });
    this.#hearing = hearing;
  }

  #onPayload(payload: string): void {
    const [from, ...topics] = parse(payload);
    if (from === this.#self) return;
    if (topics.length === 0) this.wakeAll();
    else this.wake(topics);
  }

  /** Tells others that somebody listens, where that has not been said of late. */
  #say(): Promise<void> {
    const { connection, statements, namespace, limitMs } = this.#parts;
    if (monotonicMs(systemClock) - this.#saidAtMs < SAY_EVERY_MS) return Promise.resolve();
    return this.#saying ??= (async () => {
      try {
        await connection.read(monotonicMs(systemClock) + limitMs, async (session) => {
          await session.query(statements.listening, [namespace, LISTENING_MS]);
        });
        this.#saidAtMs = monotonicMs(systemClock);
      } finally {
        this.#saying = null;
      }
    })();
  }

  async #poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(systemClock, POLL_MS, signal).catch(() => {});
      if (signal.aborted) return;
      this.wakeAll();
      if (this.#hearing === null || this.#isDeaf()) this.#hear();
      await this.#say().catch(() => {}); // the next round tries again
    }
  }
}

function parse(payload: string): string[] {
  try {
    const parsed: unknown = JSON.parse(payload);
    return Array.isArray(parsed) ? parsed.map(String) : [];
  } catch {
    return []; // not ours: whoever sent it, to look is right
  }
}
