/** A set of encoded keys in order: inserts and deletes in about O(log n), for listing below a prefix. @module */

import { compareEncoded } from "../../src/storage/key.ts";

// Blocks of this size split: small enough that an insert moves little, large enough that there are few blocks.
const MAX_BLOCK = 512;

/** Encoded keys, sorted by their UTF-8 bytes, in blocks that split when they grow. */
export class SortedKeys {
  readonly #blocks: string[][] = [[]];

  /** Adds a key that is not in the set. */
  add(key: string): void {
    const blockIndex = this.#blockOf(key);
    const block = this.#block(blockIndex);
    block.splice(lowerBound(block, key), 0, key);
    if (block.length > MAX_BLOCK) this.#blocks.splice(blockIndex + 1, 0, block.splice(MAX_BLOCK / 2));
  }

  /** Removes a key that is in the set. */
  delete(key: string): void {
    const blockIndex = this.#blockOf(key);
    const block = this.#block(blockIndex);
    block.splice(lowerBound(block, key), 1);
    if (block.length === 0 && this.#blocks.length > 1) this.#blocks.splice(blockIndex, 1);
  }

  /** The keys with `from < key < to`, in order or in reverse. The set must not change while it is read. */
  *between(from: string, to: string, reverse = false): Generator<string> {
    if (reverse) yield* this.#down(from, to);
    else yield* this.#up(from, to);
  }

  *#up(from: string, to: string): Generator<string> {
    for (let blockIndex = this.#blockOf(from); blockIndex < this.#blocks.length; blockIndex++) {
      const block = this.#block(blockIndex);
      for (let index = lowerBound(block, from); index < block.length; index++) {
        const key = block[index] ?? "";
        if (compareEncoded(key, to) >= 0) return;
        if (key !== from) yield key;
      }
    }
  }

  *#down(from: string, to: string): Generator<string> {
    for (let blockIndex = this.#blockOf(to); blockIndex >= 0; blockIndex--) {
      const block = this.#block(blockIndex);
      for (let index = lowerBound(block, to) - 1; index >= 0; index--) {
        const key = block[index] ?? "";
        if (compareEncoded(key, from) <= 0) return;
        yield key;
      }
    }
  }

  /** The last block whose first key is not behind `key`. */
  #blockOf(key: string): number {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (compareEncoded(this.#block(middle)[0] ?? "", key) <= 0) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #block(index: number): string[] {
    return this.#blocks[index] ?? [];
  }
}

/** The index of the first key in `block` that is not before `key`. */
function lowerBound(block: readonly string[], key: string): number {
  let low = 0;
  let high = block.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareEncoded(block[middle] ?? "", key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
