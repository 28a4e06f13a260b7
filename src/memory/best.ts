/** Keeps the best of many candidates without sorting them all. @module */

// Up to so many, each new one is put in its place: the others are moved by less than it costs to sort now and then.
const MAX_INSERTED = 1000;

/** The best `limit` items, best first, by `isBetter`. */
export class Best<Item> {
  readonly #limit: number;
  readonly #isBetter: (a: Item, b: Item) => boolean;
  #items: Item[] = [];
  /** Where many are asked for: those that are not among `#items` yet, as many as that at the most. */
  #fresh: Item[] = [];

  /** Keeps so many. */
  constructor(limit: number, isBetter: (a: Item, b: Item) => boolean) {
    this.#limit = limit;
    this.#isBetter = isBetter;
  }

  /** The items that were kept, the best one first. */
  get items(): readonly Item[] {
    if (this.#fresh.length > 0) this.#sort();
    return this.#items;
  }

  /**
   * An item that the next one has to beat, once there are enough: where not too many are asked for, the last of them.
   */
  get worst(): Item | undefined {
    return this.#items.length < this.#limit ? undefined : this.#items.at(-1);
  }

  /** Keeps an item if it is good enough. */
  add(item: Item): void {
    const { worst } = this;
    if (worst !== undefined && !this.#isBetter(item, worst)) return;
    if (this.#limit <= MAX_INSERTED) this.#insert(item);
    else if (this.#fresh.push(item) >= this.#limit) this.#sort();
  }

  #insert(item: Item): void {
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

  /** Puts all in order; what came first stays before its equals. */
  #sort(): void {
    const all = this.#items.concat(this.#fresh);
    all.sort((a, b) => this.#isBetter(a, b) ? -1 : Number(this.#isBetter(b, a)));
    this.#items = all.slice(0, this.#limit);
    this.#fresh = [];
  }
}
