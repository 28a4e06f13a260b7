/** One atomic operation under construction: its checks, its writes, and what is to follow it. @module */

import { randomId } from "../../src/ids.ts";
import { type Bundle, hasRoom } from "./bundle.ts";
import {
  type Content,
  encodeId,
  encodeMessages,
  encodeNote,
  type IdEntry,
  type Message,
  type Pieces,
} from "./codec.ts";
import { expireIn, type NewContent, type Note } from "./content.ts";
import { type DenoKvAtomic, type DenoKvCheck, type DenoKvKey, MAX_CHECKS } from "./driver.ts";
import { type Counter, COUNTERS, type Layout, type Place, slotOfId } from "./layout.ts";
import type { Ranks } from "./ranks.ts";
import { toToken } from "./tokens.ts";

interface Write {
  readonly key: DenoKvKey;
  /** `undefined` deletes. */
  readonly value: unknown;
  readonly expireIn: number | null;
}

/** Collects what one atomic operation does. Of several writes to one entry, the last counts. */
export class Draft {
  /** The time of all that happens in it, by the backend's clock. */
  readonly nowMs: number;
  /** The topics to wake once it is committed. */
  readonly topics = new Set<string>();
  /** Names the note about {@linkcode garbage}. */
  readonly noteId: string = randomId();
  /** Pieces that are to be deleted once it is committed, because they may be too many to delete in it. */
  readonly garbage: Pieces[] = [];
  readonly #layout: Layout;
  readonly #ranks: Ranks;
  readonly #checks = new Map<string, DenoKvCheck>();
  readonly #noteChecks: DenoKvCheck[] = [];
  readonly #liveChecks = new Map<string, DenoKvCheck>();
  readonly #writes = new Map<string, Write>();
  readonly #bundles = new Set<Bundle>();
  readonly #openBundles = new Map<string, Bundle>();
  readonly #counts = new Map<string, Record<Counter, number>>();
  readonly #lined = new Set<string>();

  /** Makes an empty draft. */
  constructor(layout: Layout, ranks: Ranks, nowMs: number) {
    this.#layout = layout;
    this.#ranks = ranks;
    this.nowMs = nowMs;
  }

  /** Whether there is nothing to commit, nor to check at one moment. */
  get isEmpty(): boolean {
    return this.#writes.size === 0 && this.#checks.size === 0 && this.#bundles.size === 0;
  }

  /** Requires that an entry is as it was read. `slot` names the entry within this draft. */
  check(slot: string, key: DenoKvKey, versionstamp: string | null): void {
    if (!this.#checks.has(slot)) this.#checks.set(slot, { key, versionstamp });
  }

  /** Requires that a queue still holds as many messages as were read, as far as there is room for such checks. */
  checkLive(queue: string, versionstamp: string | null): void {
    this.#liveChecks.set(queue, { key: this.#layout.counter(queue, "live"), versionstamp });
  }

  /**
   * Makes pieces that were written ahead the draft's own. Where it is full of checks, there is none that the note still
   * stands: no draft is committed after its deadline, and no note swept until long after that.
   */
  takeOver({ id, versionstamp }: Note): void {
    const key = this.#layout.orphans(id);
    this.#noteChecks.push({ key, versionstamp });
    this.delete(`o${id}`, key);
  }

  /** Writes an entry. */
  set(slot: string, key: DenoKvKey, value: unknown, expiresAtMs = Infinity): void {
    this.#writes.set(slot, { key, value, expireIn: expireIn(expiresAtMs - this.nowMs) });
  }

  /** Deletes an entry. */
  delete(slot: string, key: DenoKvKey): void {
    this.#writes.set(slot, { key, value: undefined, expireIn: null });
  }

  /** Puts a message behind those that this draft has put to the same state and time, and gives the bundle it is in. */
  put(queue: string, to: Omit<Place, "rank">, message: Message): Bundle {
    const bundle = this.#bundleFor(queue, to, message);
    bundle.messages.push(message);
    this.#count(queue, to, 1);
    if (to.state === "ready" || to.state === "delayed") this.#lined.add(queue);
    return bundle;
  }

  /** Puts a message among the leased, with a token. */
  lease(queue: string, to: Omit<Place, "rank">, message: Message): Message {
    const { place, messages } = this.#bundleFor(queue, to, message);
    const leased = { ...message, token: toToken(place, messages.length) };
    messages.push(leased);
    this.#count(queue, to, 1);
    return leased;
  }

  /** Takes a message out of its bundle, which must be as it was read. */
  take(bundle: Bundle, message: Message): void {
    const index = bundle.messages.indexOf(message);
    // deno-coverage-ignore -- it was found in it: this tells of a fault in the finding
    if (index < 0) throw new Error("Cannot take the message: it is not in the bundle");
    bundle.messages.splice(index, 1);
    this.#bundles.add(bundle);
    this.#count(bundle.queue, bundle.place, -1);
  }

  /** Writes what is known of a message id, unless it need not be remembered any more. */
  remember(queue: string, id: string, entry: IdEntry): void {
    const slot = slotOfId(queue, id);
    const key = this.#layout.id(queue, id);
    if (entry.place) this.set(slot, key, encodeId(entry));
    else if (entry.seenUntilMs > this.nowMs) this.set(slot, key, encodeId(entry), entry.seenUntilMs);
    else this.delete(slot, key);
  }

  /** Writes the pieces of a content, unless they are written already. */
  add({ stored, pieces }: NewContent, expiresAtMs = Infinity): void {
    if (typeof stored === "string") return;
    const [name] = stored;
    pieces.forEach((piece, index) => this.set(`c${name}${index}`, this.#layout.piece(name, index), piece, expiresAtMs));
  }

  /** Says that nothing refers to a content any more. */
  discard(content: Content | null): void {
    if (content === null || typeof content === "string") return;
    const [name, count] = content;
    if (count === 1) this.delete(`c${name}0`, this.#layout.piece(name, 0));
    else this.garbage.push(content);
  }

  /** By how much a queue has more ready, delayed and leased messages than before. */
  liveDelta(queue: string): number {
    return this.#counts.get(queue)?.live ?? 0;
  }

  /** Tells the engine everything, which takes no more checks than `maxChecks`. */
  build(atomic: DenoKvAtomic, maxChecks = MAX_CHECKS): void {
    let checks = this.#checks.size;
    for (const check of this.#checks.values()) atomic.check(check);
    for (const { queue, place, versionstamp, messages } of this.#bundles) {
      const key = this.#layout.place(queue, place);
      if (versionstamp !== null) {
        atomic.check({ key, versionstamp });
        checks++;
      }
      if (messages.length > 0) atomic.set(key, encodeMessages(messages));
      else if (versionstamp !== null) atomic.delete(key);
    }
    for (const check of [...this.#noteChecks, ...this.#liveChecks.values()]) {
      if (checks++ < maxChecks) atomic.check(check);
    }
    for (const { key, value, expireIn } of this.#writes.values()) {
      if (value === undefined) atomic.delete(key);
      else if (expireIn === null) atomic.set(key, value);
      else atomic.set(key, value, { expireIn });
    }
    if (this.garbage.length > 0) atomic.set(this.#layout.orphans(this.noteId), encodeNote(this.nowMs, this.garbage));
    for (const [queue, counts] of this.#counts) {
      for (const counter of COUNTERS) {
        // A queue's line has changed when its `live` has a new version, even if the count is the same.
        if (counts[counter] === 0 && !(counter === "live" && this.#lined.has(queue))) continue;
        atomic.sum(this.#layout.counter(queue, counter), BigInt.asUintN(64, BigInt(counts[counter])));
      }
    }
  }

  #bundleFor(queue: string, { state, priority, atMs }: Omit<Place, "rank">, message: Message): Bundle {
    const slot = `${queue}\0${state}${state === "ready" || state === "delayed" ? priority : ""} ${atMs}`;
    const open = this.#openBundles.get(slot);
    if (open && hasRoom(open, message)) return open;
    const place = { state, priority, atMs, rank: this.#ranks.next() };
    const bundle: Bundle = { queue, place, versionstamp: null, messages: [] };
    this.#openBundles.set(slot, bundle);
    this.#bundles.add(bundle);
    return bundle;
  }

  #count(queue: string, { state }: Pick<Place, "state">, delta: number): void {
    let counts = this.#counts.get(queue);
    if (counts === undefined) this.#counts.set(queue, counts = { live: 0, delayed: 0, leased: 0, dead: 0 });
    if (state !== "dead") counts.live += delta;
    if (state !== "ready") counts[state] += delta;
  }
}
