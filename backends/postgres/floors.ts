/** Where the lines of queues begin: what lies before that was taken, and is not looked at again. @module */

import { monotonicMs, systemClock } from "../../src/clock.ts";
import type { Row } from "./driver.ts";
import { PLACE } from "../../src/storage/place.ts";

const PLACES = 12;

/**
 * So often all of the line is looked at all the same: a claim that came to nothing, or a clock that was set back, may
 * have left something behind.
 */
const WHOLE_EVERY_MS = 500;

/** So many queues are remembered; then it begins anew. */
const MAX_QUEUES = 10_000;

/** For each place the due time before which there is nothing, which holds for this count of promotions. */
export interface Floors {
  readonly promotions: number;
  readonly dueAt: readonly number[];
}

const NONE: Floors = { promotions: -1, dueAt: Array.from({ length: PLACES }, () => 0) };

/** What claims have learned of each queue, by its number. */
export class QueueFloors {
  readonly #queues = new Map<number, { floors: Floors; wholeAtMs: number }>();

  /** Where to begin; from time to time, and where it is asked for, at the very beginning. */
  of(num: number, isWhole: boolean): Floors {
    const known = this.#queues.get(num);
    if (!known) return NONE;
    const nowMs = monotonicMs(systemClock);
    if (!isWhole && nowMs - known.wholeAtMs < WHOLE_EVERY_MS) return known.floors;
    known.wholeAtMs = nowMs;
    return NONE;
  }

  /** Learns from what a claim gave. */
  learn(num: number, used: Floors, rows: readonly Row[]): void {
    const [first] = rows;
    // deno-coverage-ignore -- the compiler asks for it: a claim gives at least one row
    if (!first) return;
    const promotions = Number(first.promotions);
    const dueAt = [...(used.promotions === promotions ? used : NONE).dueAt];
    if (first.due !== true) dueAt[PLACE.delayed] = dueAt[PLACE.leased] = Number(first.now);
    for (const { was_place, was_due } of rows) {
      if (typeof was_place === "number") dueAt[was_place] = Number(was_due);
    }
    if (this.#queues.size >= MAX_QUEUES && !this.#queues.has(num)) this.#queues.clear();
    const wholeAtMs = this.#queues.get(num)?.wholeAtMs ?? monotonicMs(systemClock);
    this.#queues.set(num, { floors: { promotions, dueAt }, wholeAtMs });
  }
}
