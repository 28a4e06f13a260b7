/** A first-in-first-out line as a linked list, so that a message can leave it from anywhere in O(1). @module */

/** Something that can stand in one line at a time. */
export interface LineItem<Item> {
  /** The one before it; the line's own affair. */
  previous: Item | null;
  /** The one behind it; the line's own affair. */
  next: Item | null;
}

/** Items in the order in which they came. */
export class Line<Item extends LineItem<Item>> {
  #first: Item | null = null;
  #last: Item | null = null;

  /** The one whose turn it is. */
  get first(): Item | null {
    return this.#first;
  }

  /** Puts an item at the end. */
  push(item: Item): void {
    item.previous = this.#last;
    item.next = null;
    if (this.#last) this.#last.next = item;
    else this.#first = item;
    this.#last = item;
  }

  /** Takes an item out that stands in this line. */
  delete(item: Item): void {
    if (item.previous) item.previous.next = item.next;
    else this.#first = item.next;
    if (item.next) item.next.previous = item.previous;
    else this.#last = item.previous;
    item.previous = item.next = null;
  }

  /** The items in order. */
  *[Symbol.iterator](): Generator<Item> {
    for (let item = this.#first; item; item = item.next) yield item;
  }
}
