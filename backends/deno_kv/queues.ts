/** What can be asked about queues, and the counters that would otherwise outlive them. @module */

import type { MessageState, QueueStats, StoredMessage } from "../../src/storage/backend.ts";
import { decodeKey, type Key, prefixRange } from "../../src/storage/key.ts";
import { type DenoKvCheck, MAX_PAGE } from "./driver.ts";
import { type Counter, COUNTERS, type Range } from "./layout.ts";
import type { Standing } from "./line.ts";
import type { Parts } from "./parts.ts";
import type { Settler } from "./settle.ts";
import { toCount } from "./view.ts";

/** The counters of one queue. */
interface Counted {
  readonly queue: string;
  readonly counts: Record<Counter, number>;
  readonly checks: DenoKvCheck[];
}

// How many messages are read before the first of them is given.
const PAGE_SIZE = 100;

const QUEUES_A_SWEEP = 300;

/** Reads queues. */
export class Queues {
  readonly #parts: Parts;
  readonly #settler: Settler;
  /** Where the next sweep goes on. */
  #cursor = "";

  /** The queues of the store that the parts belong to. */
  constructor(parts: Parts, settler: Settler) {
    this.#parts = parts;
    this.#settler = settler;
  }

  /** How many messages a queue holds. */
  async stats(queue: string): Promise<QueueStats> {
    const { engine, layout, clock, lines } = this.#parts;
    const deadlineMs = engine.deadline();
    const nowMs = clock.now(); // before anything is settled, so that a lease that ends while it counts is told of
    await this.#settler.settle(queue, deadlineMs);
    const entries = await engine.read(COUNTERS.map((counter) => layout.counter(queue, counter)), deadlineMs);
    const [live = 0, stored = 0, leased = 0, dead = 0] = entries.map(({ value }) => toCount(value));
    const [due, nextDueAtMs] = await Promise.all([
      stored > 0 ? lines.countDueDelayed(queue, nowMs, deadlineMs) : 0,
      lines.nextDueAtMs(queue, nowMs, deadlineMs),
    ]);
    const delayed = Math.max(stored - due, 0);
    const nextDueInMs = nextDueAtMs === Infinity ? null : Math.max(nextDueAtMs - clock.now(), 0);
    return { ready: Math.max(live - leased - delayed, 0), delayed, leased, dead, nextDueInMs };
  }

  /** The messages of a queue in one state. */
  async *messages(queue: string, state: MessageState, limit: number): AsyncGenerator<StoredMessage> {
    const { engine, clock, lines } = this.#parts;
    await this.#settler.settle(queue, engine.deadline());
    let left = limit;
    let page: Standing[] = [];
    if (left <= 0) return;
    for await (const standing of lines.list(queue, state, clock.now(), () => engine.deadline())) {
      if (page.push(standing) < Math.min(left, PAGE_SIZE)) continue;
      yield* await this.#load(queue, state, page);
      left -= page.length;
      page = [];
      if (left <= 0) return;
    }
    yield* await this.#load(queue, state, page);
  }

  /** The queues below a prefix that hold a message. */
  async *names(prefix: Key): AsyncGenerator<Key> {
    const { from, to } = prefixRange(prefix);
    for await (const { queue, counts } of this.#counted(this.#parts.layout.counters(from, to))) {
      if (counts.live > 0 || counts.dead > 0) yield decodeKey(queue);
    }
  }

  /** Ends expired leases in all queues, and tells how many they were. */
  async recover(): Promise<number> {
    const { engine, layout } = this.#parts;
    let recovered = 0;
    for await (const { queue, counts } of this.#counted(layout.allCounters(""))) {
      if (counts.leased > 0) recovered += await this.#settler.settle(queue, engine.deadline());
    }
    return recovered;
  }

  /**
   * Deletes counters of queues that are empty, those of some hundred queues at a time. It is called after about as many
   * new queues were made, so that there are never many more counters than queues in use.
   */
  async sweep(): Promise<void> {
    const { engine, layout } = this.#parts;
    const empty: Counted[] = [];
    let seen = 0;
    const from = this.#cursor;
    this.#cursor = "";
    for await (const counted of this.#counted(layout.allCounters(from))) {
      if (seen++ === QUEUES_A_SWEEP) {
        this.#cursor = counted.queue;
        break;
      }
      if (COUNTERS.every((counter) => counted.counts[counter] === 0)) empty.push(counted);
    }
    while (empty.length > 0) {
      await this.#forget(empty.splice(0, Math.floor(engine.maxChecks / COUNTERS.length)));
    }
  }

  /** Deletes counters, unless one of them has changed. */
  async #forget(queues: readonly Counted[]): Promise<void> {
    const { engine } = this.#parts;
    await engine.tryCommit((atomic) => {
      for (const check of queues.flatMap(({ checks }) => checks)) {
        atomic.check(check);
        atomic.delete(check.key);
      }
    }, engine.deadline());
  }

  /** The counters of a range, queue by queue. */
  async *#counted({ start, end }: Range): AsyncGenerator<Counted> {
    const { engine, layout } = this.#parts;
    const counted: Counted[] = [];
    for (let from = start;;) {
      const page = await engine.page({ start: from, end }, { limit: MAX_PAGE }, engine.deadline());
      for (const { key, value, versionstamp } of page) {
        const [queue, counter] = [String(key[2]), COUNTERS.find((name) => name === key[3])];
        // deno-coverage-ignore -- the compiler asks for it: there are no other counters
        if (counter === undefined) continue;
        if (counted.at(-1)?.queue !== queue) counted.push({ queue, counts: noCounts(), checks: [] });
        const counterKey = layout.counter(queue, counter);
        from = [...counterKey, 0];
        const last = counted.at(-1);
        if (last) last.counts[counter] = toCount(value);
        last?.checks.push({ key: counterKey, versionstamp });
      }
      // The last queue may go on on the next page.
      const isEnd = page.length < MAX_PAGE;
      yield* counted.splice(0, isEnd ? counted.length : counted.length - 1);
      if (isEnd) return;
    }
  }

  async #load(queue: string, state: MessageState, page: readonly Standing[]): Promise<StoredMessage[]> {
    const { engine, contents } = this.#parts;
    const values = await contents.load(page.map(({ message }) => message.content), engine.deadline());
    return page.flatMap(({ atMs, message }, index) => {
      const value = values[index];
      if (value === undefined) return []; // it has left the queue in the meantime
      const { id, priority, attempts, maxAttempts, enqueuedAtMs, lastError } = message;
      return [{
        queue: decodeKey(queue),
        id,
        value,
        priority,
        state,
        attempts,
        maxAttempts,
        enqueuedAtMs,
        dueAtMs: atMs,
        ...(lastError !== null && { lastError }),
      }];
    });
  }
}

function noCounts(): Record<Counter, number> {
  return { live: 0, delayed: 0, leased: 0, dead: 0 };
}
