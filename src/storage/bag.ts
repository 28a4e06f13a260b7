/** Things that come and go all the time: in constant time, with nothing left to collect. @module */

/** Something that can be in one bag at a time. */
export interface BagItem {
  /** Where it lies; the bag's own affair. */
  bagIndex: number;
}

/**
 * Items in no order. A `Set` will not do: each of its tables refers to the one that replaces it, so that once a table
 * is old, all that is ever in the later ones is kept until a full collection.
 */
export class Bag<Item extends BagItem> {
  #items: Item[] = [];

  /** How many items there are. */
  get size(): number {
    return this.#items.length;
  }

  /** Puts an item in that is in no bag. */
  add(item: Item): void {
    item.bagIndex = this.#items.length;
    this.#items.push(item);
  }

  /** Takes an item out, and tells whether it was in this bag. */
  delete(item: Item): boolean {
    if (this.#items[item.bagIndex] !== item) return false;
    const last = this.#items.pop();
    if (last === undefined || last === item) return true;
    this.#items[item.bagIndex] = last;
    last.bagIndex = item.bagIndex;
    return true;
  }

  /** Takes all out. */
  clear(): void {
    this.#items = [];
  }

  /** The items; from the end, so that the one which is looked at may be taken out. */
  *[Symbol.iterator](): Generator<Item> {
    for (let index = this.#items.length - 1; index >= 0; index--) {
      const item = this.#items[index];
      if (item !== undefined) yield item;
    }
  }
}
