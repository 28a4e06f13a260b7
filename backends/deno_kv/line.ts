/** Reads the messages of a queue in their order, whatever state they are in. @module */

import type { MessageState } from "../../src/storage/backend.ts";
import { decodeMessage, type Message } from "./codec.ts";
import type { DenoKvEntry, DenoKvKey } from "./driver.ts";
import type { Engine } from "./engine.ts";
import { type Layout, type Place, type Range, SLOTS } from "./layout.ts";

// A page of listings; a message takes up to 12 KiB of it.
const PAGE_SIZE = 500;

/** A message where it stands. */
export interface Standing {
  readonly key: DenoKvKey;
  readonly versionstamp: string;
  readonly place: Place;
  readonly message: Message;
}

/** Reads lines. Every method is given the deadline of the call that it is made for. */
export class Lines {
  readonly #engine: Engine;
  readonly #layout: Layout;

  /** The lines of one store. */
  constructor(engine: Engine, layout: Layout) {
    this.#engine = engine;
    this.#layout = layout;
  }

  /** The first `count` messages that are due, in line. */
  async due(queue: string, nowMs: number, count: number, deadlineMs: number): Promise<Standing[]> {
    const [ready, delayed] = await Promise.all([
      this.#page(queue, "ready", this.#layout.line(queue, "ready"), count, deadlineMs),
      this.#dueDelayed(queue, nowMs, count, deadlineMs),
    ]);
    if (delayed.length === 0) return ready;
    return [...ready, ...delayed].sort(compareInLine).slice(0, count);
  }

  /** The first `count` messages whose lease has ended. */
  expired(queue: string, nowMs: number, count: number, deadlineMs: number): Promise<Standing[]> {
    return this.#page(queue, "leased", this.#layout.slot(queue, "leased", 0, -Infinity, nowMs), count, deadlineMs);
  }

  /** When the next delayed message is due or the next lease ends; infinity when there is neither. */
  async nextDueAtMs(queue: string, nowMs: number, deadlineMs: number): Promise<number> {
    const ranges = [
      this.#layout.slot(queue, "leased", 0, nowMs, Infinity),
      ...await this.#delayed(queue, nowMs, Infinity, deadlineMs),
    ];
    const firsts = await Promise.all(ranges.map((range) => this.#engine.page(range, { limit: 1 }, deadlineMs)));
    return Math.min(...firsts.map(([first]) => first ? Number(first.key[5]) : Infinity));
  }

  /** How many delayed messages are due, and so are ready in truth. */
  async countDueDelayed(queue: string, nowMs: number, deadlineMs: number): Promise<number> {
    let count = 0;
    for (const range of await this.#delayed(queue, -Infinity, nowMs, deadlineMs)) {
      for await (const _ of this.#stream(queue, "delayed", range, () => deadlineMs)) count++;
    }
    return count;
  }

  /** All messages in one state, in its order; `deadlineMs` gives each page its own deadline. */
  async *list(queue: string, state: MessageState, nowMs: number, deadlineMs: () => number): AsyncGenerator<Standing> {
    const delayed = async (fromMs: number, toMs: number) =>
      (await this.#delayed(queue, fromMs, toMs, deadlineMs()))
        .map((range) => this.#stream(queue, "delayed", range, deadlineMs));
    if (state === "delayed") {
      yield* merge(await delayed(nowMs, Infinity), compareInTime);
      return;
    }
    const stored = this.#stream(queue, state, this.#layout.line(queue, state), deadlineMs);
    if (state === "ready") yield* merge([stored, ...await delayed(-Infinity, nowMs)], compareInLine);
    else yield* stored;
  }

  /** The first delayed messages that are due, one priority after the other, leaping over what is not due yet. */
  async #dueDelayed(queue: string, nowMs: number, count: number, deadlineMs: number): Promise<Standing[]> {
    const due: Standing[] = [];
    for (let slot = 0; slot < SLOTS && due.length < count;) {
      const range = this.#layout.line(queue, "delayed", slot);
      const page = await this.#page(queue, "delayed", range, count - due.length, deadlineMs);
      const notDue = page.findIndex(({ place }) => place.atMs > nowMs);
      due.push(...notDue < 0 ? page : page.slice(0, notDue));
      const leap = page[notDue];
      if (leap === undefined) break;
      slot = SLOTS - leap.place.priority;
    }
    return due;
  }

  /** The delayed messages with `fromMs < atMs <= toMs`: a range for each priority that has delayed messages at all. */
  async #delayed(queue: string, fromMs: number, toMs: number, deadlineMs: number): Promise<Range[]> {
    const ranges: Range[] = [];
    for (let slot = 0; slot < SLOTS;) {
      const range = this.#layout.line(queue, "delayed", slot);
      const [first] = await this.#page(queue, "delayed", range, 1, deadlineMs);
      if (first === undefined) break;
      const found = SLOTS - 1 - first.place.priority;
      ranges.push(this.#layout.slot(queue, "delayed", found, fromMs, toMs));
      slot = found + 1;
    }
    return ranges;
  }

  async #page(
    queue: string,
    state: MessageState,
    range: Range,
    limit: number,
    deadlineMs: number,
  ): Promise<Standing[]> {
    const entries = await this.#engine.page(range, { limit }, deadlineMs);
    return entries.map((entry) => this.#toStanding(queue, state, entry));
  }

  /** The messages of a range, in pages. */
  async *#stream(
    queue: string,
    state: MessageState,
    { start, end }: Range,
    deadlineMs: () => number,
  ): AsyncGenerator<Standing> {
    for (let from = start;;) {
      const page = await this.#page(queue, state, { start: from, end }, PAGE_SIZE, deadlineMs());
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE_SIZE) return;
      from = [...last.key, 0];
    }
  }

  #toStanding(queue: string, state: MessageState, { key, value, versionstamp }: DenoKvEntry): Standing {
    const message = decodeMessage(value);
    const place: Place = { state, priority: message.priority, atMs: Number(key[5]), rank: String(key[6]) };
    return { key: this.#layout.place(queue, place), versionstamp, place, message };
  }
}

/** By priority, then by the time of becoming due, then by the event that made it so. */
function compareInLine(a: Standing, b: Standing): number {
  return b.place.priority - a.place.priority || compareInTime(a, b);
}

function compareInTime(a: Standing, b: Standing): number {
  return a.place.atMs - b.place.atMs || (a.place.rank < b.place.rank ? -1 : 1);
}

/** Merges sorted streams into one. */
async function* merge<Item>(
  streams: readonly AsyncGenerator<Item>[],
  compare: (a: Item, b: Item) => number,
): AsyncGenerator<Item> {
  const heads: { item: Item; readonly stream: AsyncGenerator<Item> }[] = [];
  const firsts = await Promise.all(streams.map(async (stream) => ({ stream, first: await stream.next() })));
  for (const { stream, first } of firsts) if (!first.done) heads.push({ item: first.value, stream });
  while (heads.length > 0) {
    const head = heads.reduce((least, each) => compare(each.item, least.item) < 0 ? each : least);
    yield head.item;
    const next = await head.stream.next();
    if (next.done) heads.splice(heads.indexOf(head), 1);
    else head.item = next.value;
  }
}
