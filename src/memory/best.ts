/** Keeps the best of many candidates without sorting them all. @module */

/** The best `limit` items, best first, by `isBetter`. */
export class Best<Item> {
  readonly #limit: number;
  readonly #isBetter: (a: Item, b: Item) => boolean;
  readonly #items: Item[] = [];

  /** Keeps so many. */
  constructor(limit: number, isBetter: (a: Item, b: Item) => boolean) {
    this.#limit = limit;
    this.#isBetter = isBetter;
  }

  /** The items that were kept, the best one first. */
  get items(): readonly Item[] {
    return this.#items;
  }

  /** The item that the next one has to beat, once there are enough. */
  get worst(): Item | undefined {
    return this.#items.length < this.#limit ? undefined : this.#items.at(-1);
  }

  /** Keeps an item if it is good enough. */
  add(item: Item): void {
    const { worst } = this;
    if (worst !== undefined && !this.#isBetter(item, worst)) return;
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#items[middle];
      if (other !== undefined && this.#isBetter(item, other)) high = middle;
      else low = middle + 1;
    }
    this.#items.splice(low, 0, item);
    if (this.#items.length > this.#limit) this.#items.pop();
  }
}
