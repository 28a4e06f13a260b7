/** Which entries hold a term and how often, in flat arrays. @module */

import { MAX_FREQUENCY } from "./ranking.ts";

/** The most places for entries in one index. */
export const MAX_PLACES = 2 ** 24;

const PLACE_MASK = MAX_PLACES - 1;
const FREQUENCY_SHIFT = 24;

/** A place and a frequency in four bytes. */
export function packPosting(place: number, frequency: number): number {
  return (place | (Math.min(frequency, MAX_FREQUENCY) << FREQUENCY_SHIFT)) >>> 0;
}

/** The place in a packed posting. */
export function placeOf(posting: number): number {
  return posting & PLACE_MASK;
}

/** The frequency in a packed posting. */
export function frequencyOf(posting: number): number {
  return posting >>> FREQUENCY_SHIFT;
}

/** The postings of one term, sorted by place: four bytes each, 24 bits for the place and 8 for the frequency. */
export class Postings {
  /** The packed postings; those from `size` on are unused. */
  packed = new Uint32Array(2);
  /** How many entries hold the term. */
  size = 0;

  /** Adds one occurrence in an entry. */
  add(place: number): void {
    const index = indexOfPlace(this.packed, this.size, place);
    const posting = this.packed[index] ?? 0;
    if (index < this.size && placeOf(posting) === place) {
      this.packed[index] = packPosting(place, frequencyOf(posting) + 1);
      return;
    }
    if (this.size === this.packed.length) {
      const grown = new Uint32Array(2 * this.size);
      grown.set(this.packed);
      this.packed = grown;
    }
    if (index < this.size) this.packed.copyWithin(index + 1, index, this.size);
    this.packed[index] = packPosting(place, 1);
    this.size++;
  }

  /** Removes an entry and tells whether it was there. */
  delete(place: number): boolean {
    if (!this.has(place)) return false;
    const index = indexOfPlace(this.packed, this.size, place);
    this.packed.copyWithin(index, index + 1, this.size);
    this.size--;
    if (this.packed.length > 8 && this.size < this.packed.length / 4) {
      this.packed = this.packed.slice(0, this.packed.length / 2);
    }
    return true;
  }

  /** Whether an entry is there. */
  has(place: number): boolean {
    const index = indexOfPlace(this.packed, this.size, place);
    return index < this.size && placeOf(this.packed[index] ?? 0) === place;
  }
}

/**
 * Where a place is among sorted postings, or would be. New entries mostly come last, and are looked for there first.
 */
export function indexOfPlace(packed: Uint32Array, size: number, place: number): number {
  let low = 0;
  let high = Math.max(0, size - 1);
  const last = placeOf(packed[high] ?? 0);
  if (size === 0 || last < place) return size;
  if (last === place) return high;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (placeOf(packed[middle] ?? 0) < place) low = middle + 1;
    else high = middle;
  }
  return low;
}
