/** Sums by place, used again for each query: a query touches few of them, and pays for those alone. @module */

import { deviation } from "./ranking.ts";

/** Numbers by place, zero at first, with a list of those that were added to. */
export class Scores {
  /** The sums, by place. */
  values: Float64Array = new Float64Array(0);
  /** Which places were added to; those from `size` on are unused. */
  touched: Uint32Array = new Uint32Array(0);
  /** How many places were added to. */
  size = 0;

  /** Makes all sums zero, for places below `limit`. */
  reset(limit: number): void {
    const { values, touched } = this;
    for (let index = 0; index < this.size; index++) {
      values[touched[index] ?? 0] = 0;
    }
    this.size = 0;
    if (limit <= values.length) return;
    this.values = new Float64Array(2 * limit);
    this.touched = new Uint32Array(2 * limit);
  }

  /** Adds to the number of a place. What comes to zero stays a hair above it: zero means that nothing was added. */
  add(place: number, score: number): void {
    const before = this.values[place] ?? 0;
    if (before === 0) this.touched[this.size++] = place;
    this.values[place] = before + score || Number.MIN_VALUE;
  }

  /** The places that were added to, in no order; valid until the next change. */
  places(): Uint32Array {
    return this.touched.subarray(0, this.size);
  }

  /** The standard deviation of `count` numbers, of which those that were not touched are zero. */
  deviation(count: number): number {
    const { values, touched, size } = this;
    let sum = 0;
    for (let index = 0; index < size; index++) sum += values[touched[index] ?? 0] ?? 0;
    // In a second pass: the difference of two large sums would lose what numbers that are nearly alike differ by.
    const mean = sum / count;
    let squares = (count - size) * mean ** 2;
    for (let index = 0; index < size; index++) {
      const difference = (values[touched[index] ?? 0] ?? 0) - mean;
      squares += difference * difference;
    }
    return deviation(squares, count);
  }

  /** Makes z-scores of the numbers that were touched. */
  standardise(): void {
    let sum = 0;
    for (const place of this.places()) sum += this.values[place] ?? 0;
    const mean = sum / Math.max(1, this.size);
    const divisor = this.deviation(Math.max(1, this.size));
    for (const place of this.places()) this.values[place] = ((this.values[place] ?? 0) - mean) / divisor;
  }
}
