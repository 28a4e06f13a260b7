/** What may be true of each record and message of a simulated world, and whether it is. @module */

import { assert } from "@std/assert";
import type { StorageBackend } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { idsOf, STATES, stored } from "../../src/testing/steps.ts";

/** What may be true of a record, which is 0 where there is none. */
export interface Fate {
  readonly key: Key;
  /** The last write of which it is known that it happened. */
  sure: number;
  /** Those after it of which nobody knows. */
  maybe: number[];
}

/** One write of a batch, and what may have been there before. */
export interface Write {
  readonly fate: Fate;
  readonly before: readonly number[];
  readonly value: number;
}

/** What may be true of each record and message once everything is over. */
export class Ledger {
  readonly #seed: number;
  readonly fates = new Map<string, Fate>();
  /** Batches of which nobody knows whether they happened, with those of their writes that no later one was made upon. */
  inDoubt: (readonly Write[])[] = [];
  /** Records that are written by several at the same time, and never deleted. */
  readonly shared = new Set<string>();
  readonly sent = new Set<string>();
  readonly handled = new Set<string>();
  /** Of those that were handled, they have a record that was written in the same step. */
  readonly done = new Set<string>();

  /** Of the world of this seed. */
  constructor(seed: number) {
    this.#seed = seed;
  }

  /** Notes what became of writes; `null` where nobody knows. */
  note(writes: readonly Write[], done: boolean | null, isClear: boolean): void {
    for (const { fate, value } of writes) {
      if (done) Object.assign(fate, { sure: value, maybe: [] });
      else if (done === false) fate.maybe.pop();
    }
    if (done === false) return;
    const fates = new Set(writes.map(({ fate }) => fate));
    this.inDoubt = this.inDoubt.map((batch) => batch.filter(({ fate }) => !fates.has(fate)));
    if (done === null && !isClear) this.inDoubt.push(writes);
  }

  /** What is known of a record so far: nothing, when it is asked for the first time. */
  fateOf(key: Key): Fate {
    const name = key.join();
    const fate = this.fates.get(name) ?? { key, sure: 0, maybe: [] };
    this.fates.set(name, fate);
    return fate;
  }

  /** Notes whether the end of a delivery was committed, with a record; `null` where nobody knows. */
  noteHandled(id: string, done: boolean | null): void {
    if (done !== false) this.handled.add(id);
    if (!done) return;
    assert(!this.done.has(id), `seed ${this.#seed}: ${id} is handled twice`);
    this.done.add(id);
  }

  /** Holds what there is in the end to what may be. */
  async check(primary: StorageBackend): Promise<void> {
    const seed = this.#seed;
    const valueOf = async ({ key }: Fate) => Number((await primary.get([key]))[0]?.value ?? 0);
    for (const fate of this.fates.values()) {
      const found = await valueOf(fate);
      const may = [fate.sure, ...fate.maybe];
      assert(may.includes(found), `seed ${seed}: record ${fate.key} is ${found}, not one of ${may}`);
    }
    for (const batch of this.inDoubt) {
      const found = await Promise.all(batch.map(({ fate }) => valueOf(fate)));
      const isDone = batch.every(({ value }, index) => value === found[index]);
      const isUndone = batch.every(({ before }, index) => before.includes(found[index] ?? 0));
      const told = batch.map(({ fate, value, before }, index) =>
        `${fate.key}: ${before} -> ${value} is ${found[index]}`
      );
      assert(isDone || isUndone, `seed ${seed}: a batch is half done: ${told.join("; ")}`);
    }
    for (const name of this.shared) assert((await primary.get([[name]]))[0], `seed ${seed}: ${name} is lost`);
    for (const id of this.done) {
      assert((await primary.get([["done", id]]))[0], `seed ${seed}: what was written with the end of ${id} is lost`);
    }
    const there = new Set((await Promise.all(STATES.map((state) => stored(primary, state)))).flatMap(idsOf));
    const lost = [...this.sent].filter((id) => !there.has(id) && !this.handled.has(id));
    assert(lost.length === 0, `seed ${seed}: ${lost} of ${this.sent.size} messages are lost`);
  }
}
