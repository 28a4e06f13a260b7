/** A binary heap whose items know their place, so that any of them can be removed in O(log n). @module */

/** An item of a {@linkcode Heap}. */
export interface HeapItem {
  /** Where it stands; the heap's own affair. */
  heapIndex: number;
}

/** The smallest item first, by `before`. */
export class Heap<Item extends HeapItem> {
  readonly #items: Item[] = [];
  readonly #before: (a: Item, b: Item) => boolean;

  /** Makes an empty heap with this order. */
  constructor(before: (a: Item, b: Item) => boolean) {
    this.#before = before;
  }

  /** How many items there are. */
  get size(): number {
    return this.#items.length;
  }

  /** The smallest item. */
  peek(): Item | undefined {
    return this.#items[0];
  }

  /**
   * All items, smallest first, for as long as nothing is changed. Only those that are taken are put in order: O(k log
   * k).
   */
  *sorted(): Generator<Item> {
    const frontier = new Heap<{ readonly item: Item; heapIndex: number }>((a, b) => this.#before(a.item, b.item));
    const offer = (item: Item | undefined) => item && frontier.push({ item, heapIndex: 0 });
    offer(this.peek());
    for (let first = frontier.peek(); first; first = frontier.peek()) {
      frontier.delete(first);
      yield first.item;
      offer(this.#items[2 * first.item.heapIndex + 1]);
      offer(this.#items[2 * first.item.heapIndex + 2]);
    }
  }

  /** Adds an item. */
  push(item: Item): void {
    this.#items.push(item);
    this.#up(item, this.#items.length - 1);
  }

  /** Removes an item that is in the heap. */
  delete(item: Item): void {
    const last = this.#items.pop();
    if (last === undefined || last === item) return;
    this.#place(last, item.heapIndex);
    this.#up(last, last.heapIndex);
    this.#down(last, last.heapIndex);
  }

  #up(item: Item, start: number): void {
    let index = start;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.#items[parentIndex];
      if (parent === undefined || !this.#before(item, parent)) break;
      this.#place(parent, index);
      index = parentIndex;
    }
    this.#place(item, index);
  }

  #down(item: Item, start: number): void {
    let index = start;
    while (true) {
      const child = this.#smallerChild(index);
      if (child === undefined || !this.#before(child, item)) break;
      const childIndex = child.heapIndex;
      this.#place(child, index);
      index = childIndex;
    }
    this.#place(item, index);
  }

  #smallerChild(index: number): Item | undefined {
    const left = this.#items[2 * index + 1];
    const right = this.#items[2 * index + 2];
    if (left === undefined || right === undefined) return left;
    return this.#before(right, left) ? right : left;
  }

  #place(item: Item, index: number): void {
    this.#items[index] = item;
    item.heapIndex = index;
  }
}
