/** Reads the messages of a queue in their order, whatever state they are in. @module */

import type { MessageState } from "../../src/storage/backend.ts";
import { type Bundle, countMessages, toBundle } from "./bundle.ts";
import type { Message } from "./codec.ts";
import type { Engine } from "./engine.ts";
import { type Layout, type Range, SLOTS } from "./layout.ts";

/** The next bundles of a line, and whether there are no others behind them. */
export interface Head {
  readonly bundles: readonly Bundle[];
  readonly isAll: boolean;
}

/** A message where it stands. */
export interface Standing {
  readonly atMs: number;
  readonly message: Message;
}

// Bundles take some 4 KB.
const PAGE_SIZE = 100;

// How many messages a bundle is guessed to have, until the first ones are read.
const GUESSED_MESSAGES = 4;

/** Reads lines. Every method is given the deadline of the call that it is made for. */
export class Lines {
  readonly #engine: Engine;
  readonly #layout: Layout;

  /** The lines of one store. */
  constructor(engine: Engine, layout: Layout) {
    this.#engine = engine;
    this.#layout = layout;
  }

  /** The bundles of at least the first `count` messages that are due, in line. */
  async due(queue: string, nowMs: number, count: number, deadlineMs: number): Promise<Head> {
    const [ready, delayed] = await Promise.all([
      this.#first(queue, "ready", this.#layout.line(queue, "ready"), count, deadlineMs),
      this.#firstDelayed(queue, nowMs, count, deadlineMs),
    ]);
    if (delayed.bundles.length === 0) return ready;
    const bundles = [...ready.bundles, ...delayed.bundles].sort(compareInLine);
    if (ready.isAll && delayed.isAll) return { bundles, isAll: true };
    // What follows the last one that was read of either may come before what follows here.
    let end = 0;
    // deno-coverage-ignore -- the compiler asks for it: the end is within the list
    for (let found = 0; found < count && end < bundles.length; end++) found += bundles[end]?.messages.length ?? 0;
    return { bundles: bundles.slice(0, end), isAll: false };
  }

  /** The first bundles whose leases have ended. */
  async expired(queue: string, nowMs: number, limit: number, deadlineMs: number): Promise<Bundle[]> {
    return await this.#page(
      queue,
      "leased",
      this.#layout.slot(queue, "leased", 0, -Infinity, nowMs),
      limit,
      deadlineMs,
    );
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
      for await (const { messages } of this.#stream(queue, "delayed", range, () => deadlineMs)) {
        count += messages.length;
      }
    }
    return count;
  }

  /** All messages in one state, in its order; `deadlineMs` gives each page its own deadline. */
  async *list(queue: string, state: MessageState, nowMs: number, deadlineMs: () => number): AsyncGenerator<Standing> {
    const bundles = state === "leased"
      ? inOrderOfDelivery(this.bundles(queue, state, deadlineMs))
      : this.#inOrder(queue, state, nowMs, deadlineMs);
    for await (const { place: { atMs }, messages } of bundles) {
      for (const message of messages) yield { atMs, message };
    }
  }

  /** The bundles that are stored in one state. */
  bundles(queue: string, state: MessageState, deadlineMs: () => number): AsyncGenerator<Bundle> {
    return this.#stream(queue, state, this.#layout.line(queue, state), deadlineMs);
  }

  async *#inOrder(
    queue: string,
    state: MessageState,
    nowMs: number,
    deadlineMs: () => number,
  ): AsyncGenerator<Bundle> {
    const delayed = async (fromMs: number, toMs: number) =>
      (await this.#delayed(queue, fromMs, toMs, deadlineMs()))
        .map((range) => this.#stream(queue, "delayed", range, deadlineMs));
    if (state === "delayed") {
      yield* merge(await delayed(nowMs, Infinity), compareInTime);
      return;
    }
    const stored = this.bundles(queue, state, deadlineMs);
    if (state === "ready") yield* merge([stored, ...await delayed(-Infinity, nowMs)], compareInLine);
    else yield* stored;
  }

  /** The first bundles of a range, with at least `count` messages if there are as many. */
  async #first(
    queue: string,
    state: MessageState,
    { start, end }: Range,
    count: number,
    deadlineMs: number,
  ): Promise<Head> {
    const bundles: Bundle[] = [];
    let from = start;
    for (let left = count; left > 0;) {
      const messagesEach = bundles.length === 0 ? GUESSED_MESSAGES : (count - left) / bundles.length;
      const limit = Math.min(Math.ceil(left / messagesEach), PAGE_SIZE);
      const page = await this.#page(queue, state, { start: from, end }, limit, deadlineMs);
      bundles.push(...page);
      const last = page.at(-1);
      if (last === undefined || page.length < limit) return { bundles, isAll: true };
      left -= countMessages(page);
      from = [...this.#layout.place(queue, last.place), 0];
    }
    return { bundles, isAll: false };
  }

  /** The first delayed bundles that are due, one priority after the other. */
  async #firstDelayed(queue: string, nowMs: number, count: number, deadlineMs: number): Promise<Head> {
    const bundles: Bundle[] = [];
    let left = count;
    for (const range of await this.#delayed(queue, -Infinity, nowMs, deadlineMs)) {
      const head = await this.#first(queue, "delayed", range, left, deadlineMs);
      bundles.push(...head.bundles);
      left -= countMessages(head.bundles);
      if (left <= 0) return { bundles, isAll: false };
    }
    return { bundles, isAll: true };
  }

  /** The delayed messages with `fromMs < atMs <= toMs`: a range for each priority that has delayed messages at all. */
  async #delayed(queue: string, fromMs: number, toMs: number, deadlineMs: number): Promise<Range[]> {
    const ranges: Range[] = [];
    for (let slot = 0; slot < SLOTS;) {
      const [first] = await this.#page(queue, "delayed", this.#layout.line(queue, "delayed", slot), 1, deadlineMs);
      if (first === undefined) break;
      const found = SLOTS - 1 - first.place.priority;
      ranges.push(this.#layout.slot(queue, "delayed", found, fromMs, toMs));
      slot = found + 1;
    }
    return ranges;
  }

  /** The bundles of a range, in pages. */
  async *#stream(
    queue: string,
    state: MessageState,
    { start, end }: Range,
    deadlineMs: () => number,
  ): AsyncGenerator<Bundle> {
    for (let from = start;;) {
      const page = await this.#page(queue, state, { start: from, end }, PAGE_SIZE, deadlineMs());
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE_SIZE) return;
      from = [...this.#layout.place(queue, last.place), 0];
    }
  }

  async #page(
    queue: string,
    state: MessageState,
    range: Range,
    limit: number,
    deadlineMs: number,
  ): Promise<Bundle[]> {
    const entries = await this.#engine.page(range, { limit }, deadlineMs);
    return entries.map((entry) => toBundle(queue, state, entry));
  }
}

/** By priority, then by the time of becoming due, then by the event that made it so. */
export function compareInLine(a: Bundle, b: Bundle): number {
  return b.place.priority - a.place.priority || compareInTime(a, b);
}

function compareInTime({ place: a }: Bundle, { place: b }: Bundle): number {
  return a.atMs - b.atMs || (a.rank < b.rank ? -1 : Number(a.rank > b.rank));
}

/** Bundles whose leases end at the same time as one, with their messages in the order of their delivery. */
async function* inOrderOfDelivery(bundles: AsyncGenerator<Bundle>): AsyncGenerator<Bundle> {
  let together: Bundle | null = null;
  for await (const bundle of bundles) {
    if (together?.place.atMs === bundle.place.atMs) {
      together.messages.push(...bundle.messages);
    } else {
      if (together) yield sorted(together);
      together = bundle;
    }
  }
  if (together) yield sorted(together);
}

function sorted(bundle: Bundle): Bundle {
  bundle.messages.sort(compareByDelivery);
  return bundle;
}

/** In the order of delivery, which an extension does not change: that of the tokens. */
export function compareByDelivery(a: Message, b: Message): number {
  return a.token < b.token ? -1 : 1;
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
