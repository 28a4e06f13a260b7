/** What frequencies count, computed once for all postings of a collection. @module */

import { type LengthNorm, saturation } from "./ranking.ts";

/** Frequencies below this are in the table. */
export const TABLE_FREQUENCIES = 8;

/** Lengths below this are in the table. */
export const TABLE_LENGTHS = 256;

/** The saturations of the frequencies and lengths that nearly all postings have: a division less for each of them. */
export class SaturationTable {
  /** By `length * TABLE_FREQUENCIES + frequency`. */
  readonly table: Float64Array = new Float64Array(TABLE_FREQUENCIES * TABLE_LENGTHS);
  #norm: LengthNorm = { fixed: NaN, perTerm: NaN };

  /** Makes the table for a collection, unless it is the same as before. */
  prepare(norm: LengthNorm): void {
    if (norm.fixed === this.#norm.fixed && norm.perTerm === this.#norm.perTerm) return;
    this.#norm = norm;
    for (let length = 0; length < TABLE_LENGTHS; length++) {
      for (let frequency = 0; frequency < TABLE_FREQUENCIES; frequency++) {
        this.table[length * TABLE_FREQUENCIES + frequency] = saturation(frequency, length, norm);
      }
    }
  }

  /** The saturation of any frequency and length. */
  of(frequency: number, length: number): number {
    return saturation(frequency, length, this.#norm);
  }
}
