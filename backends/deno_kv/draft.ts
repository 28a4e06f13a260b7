/** One atomic operation under construction: its checks, its writes, and what is to follow it. @module */

import { randomId } from "../../src/ids.ts";
import { type Content, encodeId, encodeMessage, encodeNote, type IdEntry, type Message, type Pieces } from "./codec.ts";
import { expireIn, type NewContent } from "./content.ts";
import { type DenoKvAtomic, type DenoKvCheck, type DenoKvKey, MAX_CHECKS } from "./driver.ts";
import { type Counter, COUNTERS, type Layout, type Place } from "./layout.ts";

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
  readonly #checks = new Map<string, DenoKvCheck>();
  readonly #liveChecks = new Map<string, DenoKvCheck>();
  readonly #writes = new Map<string, Write>();
  readonly #counts = new Map<string, Record<Counter, number>>();
  readonly #lined = new Set<string>();

  /** Makes an empty draft. */
  constructor(layout: Layout, nowMs: number) {
    this.#layout = layout;
    this.nowMs = nowMs;
  }

  /** Whether there is nothing to commit, nor to check at one moment. */
  get isEmpty(): boolean {
    return this.#writes.size === 0 && this.#checks.size === 0;
  }

  /** Requires that an entry is as it was read. `slot` names the entry within this draft. */
  check(slot: string, key: DenoKvKey, versionstamp: string | null): void {
    if (!this.#checks.has(slot)) this.#checks.set(slot, { key, versionstamp });
  }

  /** Requires that a queue still holds as many messages as were read, as far as there is room for such checks. */
  checkLive(queue: string, versionstamp: string | null): void {
    this.#liveChecks.set(queue, { key: this.#layout.counter(queue, "live"), versionstamp });
  }

  /** Writes an entry. */
  set(slot: string, key: DenoKvKey, value: unknown, expiresAtMs = Infinity): void {
    this.#writes.set(slot, { key, value, expireIn: expireIn(expiresAtMs - this.nowMs) });
  }

  /** Deletes an entry. */
  delete(slot: string, key: DenoKvKey): void {
    this.#writes.set(slot, { key, value: undefined, expireIn: null });
  }

  /** Puts a message at a place where none is. */
  put(queue: string, place: Place, message: Message): void {
    this.set(slotOf(place), this.#layout.place(queue, place), encodeMessage(message));
    this.#count(queue, place, 1);
    if (place.state === "ready" || place.state === "delayed") this.#lined.add(queue);
  }

  /** Takes a message from its place. */
  take(queue: string, place: Place): void {
    this.delete(slotOf(place), this.#layout.place(queue, place));
    this.#count(queue, place, -1);
  }

  /** Writes what is known of a message id, unless it need not be remembered any more. */
  remember(queue: string, id: string, entry: IdEntry): void {
    const slot = `i${queue}${id}`;
    const key = this.#layout.id(queue, id);
    if (entry.present) this.set(slot, key, encodeId(entry));
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

  /** Tells the engine everything. */
  build(atomic: DenoKvAtomic): void {
    for (const check of this.#checks.values()) atomic.check(check);
    let room = MAX_CHECKS - this.#checks.size;
    for (const check of this.#liveChecks.values()) if (room-- > 0) atomic.check(check);
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

  #count(queue: string, { state }: Place, delta: number): void {
    let counts = this.#counts.get(queue);
    if (counts === undefined) this.#counts.set(queue, counts = { live: 0, delayed: 0, leased: 0, dead: 0 });
    if (state !== "dead") counts.live += delta;
    if (state !== "ready") counts[state] += delta;
  }
}

/** A rank names one event; an extended lease keeps that of its delivery. */
function slotOf({ state, atMs, rank }: Place): string {
  return `p${state}${atMs}${rank}`;
}
