/** Wake-ups by pub/sub: a connection of its own while somebody listens, and a slow poll beside it. @module */

import { monotonicMs, sleep, systemClock } from "../../src/clock.ts";
import type { Unlisten } from "../../src/storage/backend.ts";
import { Listeners } from "../../src/storage/listeners.ts";
import type { Connection } from "./connection.ts";
import { isForbidden } from "./faults.ts";
import type { Link } from "./link.ts";

/** However quiet it is, everybody is woken this often: a message of pub/sub may be lost. */
export const POLL_MS = 1000;

/** The most channels of one command. */
const MAX_CHANNELS = 500;

/** Who listens in this process, and the connection that they share. */
export class Wakeups {
  readonly #connection: Connection;
  readonly #prefix: string;
  readonly #limitMs: number;
  readonly #listeners = new Listeners();
  /** What the server of `#link` was told. */
  readonly #subscribed = new Set<string>();
  /** Topics that have got their first listener, or lost their last one, since the server was told. */
  readonly #changed = new Set<string>();
  #link: Link | null = null;
  #polling: AbortController | null = null;
  /** The server is told by one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #turns = 0;

  /** `prefix` stands before the topic in the name of a channel. */
  constructor(connection: Connection, prefix: string, limitMs: number) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#limitMs = limitMs;
  }

  /** Calls `wake` whenever the topic is woken, from when the returned promise resolves. */
  async listen(topic: string, wake: () => void): Promise<Unlisten> {
    if (!this.#listeners.has(topic)) this.#changed.add(topic);
    const unlisten = this.#listeners.add(topic, wake, () => {
      this.#changed.add(topic);
      if (this.#listeners.size === 0) this.#stopPolling();
      // Nobody has to wait for that, and a connection that is lost is subscribed to nothing.
      void this.#tell().catch(() => {});
    });
    if (this.#polling === null) void this.#poll(this.#polling = new AbortController());
    try {
      await this.#tell();
      return unlisten;
    } catch (error) {
      await unlisten();
      throw error;
    }
  }

  /** Wakes everybody who listens. */
  wakeAll(): void {
    this.#listeners.wakeAll();
  }

  /** Ends the connection; nobody is woken any more. */
  async close(): Promise<void> {
    this.#stopPolling();
    this.#listeners.clear();
    await this.#connection.close();
    await this.#turn;
  }

  /** Wakes everybody every now and then, and sees to the connection, which it also keeps from seeming idle. */
  async #poll({ signal }: AbortController): Promise<void> {
    while (!signal.aborted) {
      await sleep(systemClock, POLL_MS, signal).catch(() => {});
      if (signal.aborted) return;
      this.#listeners.wakeAll();
      if (this.#turns === 0) void this.#tell(true).catch(() => {}); // the next round tries again
    }
  }

  #stopPolling(): void {
    this.#polling?.abort();
    this.#polling = null;
  }

  /** Tells the server what has changed; where the connection is a new one, everything. */
  #tell(ping = false): Promise<void> {
    const deadlineMs = monotonicMs(systemClock) + this.#limitMs;
    this.#turns++;
    const turn = this.#turn.then(() => this.#subscribe(deadlineMs, ping)).finally(() => this.#turns--);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #subscribe(deadlineMs: number, ping: boolean): Promise<void> {
    if (this.#listeners.size === 0) return await this.#connection.disconnect();
    if (this.#link?.isOpen && this.#changed.size === 0 && !ping) return;
    await this.#connection.run("read", deadlineMs, async (link) => {
      const isNew = link !== this.#link;
      if (isNew) this.#adopt(link);
      while (this.#changed.size > 0) await this.#tellChanges(link, deadlineMs);
      // Subscribing once more tells as much as a ping, and also where a shard's channels are by now.
      if (ping) await this.#subscribeTo(link, [...this.#subscribed].slice(0, 1), deadlineMs);
      if (isNew) this.#listeners.wakeAll(); // what came before it was not heard
    });
  }

  #adopt(link: Link): void {
    this.#link = link;
    this.#subscribed.clear();
    for (const topic of this.#listeners.topics()) this.#changed.add(topic);
    link.onMessage((channel) => {
      if (channel.startsWith(this.#prefix)) this.#listeners.wake(channel.slice(this.#prefix.length));
    });
  }

  async #tellChanges(link: Link, deadlineMs: number): Promise<void> {
    const topics = [...this.#changed].slice(0, MAX_CHANNELS);
    const added = topics.filter((topic) => this.#listeners.has(topic) && !this.#subscribed.has(topic));
    const gone = topics.filter((topic) => !this.#listeners.has(topic) && this.#subscribed.has(topic));
    // Before the answer comes they may change again.
    for (const topic of topics) this.#changed.delete(topic);
    for (const topic of gone) this.#subscribed.delete(topic);
    await this.#subscribeTo(link, added, deadlineMs);
    for (const topic of added) this.#subscribed.add(topic);
    await link.unsubscribe(gone.map((topic) => this.#prefix + topic), deadlineMs);
  }

  /** A user who may hear nothing still has the poll. */
  async #subscribeTo(link: Link, topics: readonly string[], deadlineMs: number): Promise<void> {
    try {
      await link.subscribe(topics.map((topic) => this.#prefix + topic), deadlineMs);
    } catch (error) {
      if (!isForbidden(error)) throw error;
    }
  }
}
