/** A list of whole numbers that grows, in one flat array. @module */

/** Whole numbers from 0 to 2^32 - 1 by index, zero where none was set. */
export class FlatNumbers {
  /** The numbers, and zeros behind them. */
  values: Uint32Array = new Uint32Array(16);

  /** The number at an index. */
  at(index: number): number {
    return this.values[index] ?? 0;
  }

  /** Sets the number at an index. */
  set(index: number, value: number): void {
    if (index >= this.values.length) {
      const grown = new Uint32Array(Math.max(2 * this.values.length, index + 1));
      grown.set(this.values);
      this.values = grown;
    }
    this.values[index] = value;
  }
}
