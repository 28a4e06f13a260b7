/** What expires when, so that only what has expired is looked at. @module */

interface Expiring {
  readonly key: string;
  readonly atMs: number;
}

// Times that were moved since are looked for when the queue has doubled, and not before it has this many.
const MIN_LIMIT = 1000;

/** A binary heap of keys by the time at which they expire. It may hold a key several times, but mostly once. */
export class ExpiryQueue {
  readonly #isCurrent: (key: string, atMs: number) => boolean;
  #heap: Expiring[] = [];
  #limit = MIN_LIMIT;

  /** Makes an empty queue; `isCurrent` tells whether a key still expires at a time. */
  constructor(isCurrent: (key: string, atMs: number) => boolean) {
    this.#isCurrent = isCurrent;
  }

  /** Notes that a key expires at a time. */
  add(key: string, atMs: number): void {
    if (this.#heap.length >= this.#limit) this.#prune();
    const heap = this.#heap;
    let index = heap.length;
    heap.push({ key, atMs });
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (this.#atMs(parent) <= atMs) break;
      this.#swap(index, parent);
      index = parent;
    }
  }

  /** The keys that expire up to `nowMs`, which are forgotten. */
  *due(nowMs: number): Generator<string> {
    for (let [first] = this.#heap; first && first.atMs <= nowMs; [first] = this.#heap) {
      const last = this.#heap.pop();
      if (last && last !== first) {
        this.#heap[0] = last;
        this.#sink();
      }
      if (this.#isCurrent(first.key, first.atMs)) yield first.key;
    }
  }

  #prune(): void {
    const current = this.#heap.filter(({ key, atMs }) => this.#isCurrent(key, atMs));
    this.#heap = current.sort((a, b) => a.atMs - b.atMs); // what is sorted is a heap
    this.#limit = Math.max(MIN_LIMIT, 2 * current.length);
  }

  #sink(): void {
    for (let index = 0;;) {
      const left = 2 * index + 1;
      const smaller = this.#atMs(left + 1) < this.#atMs(left) ? left + 1 : left;
      if (this.#atMs(smaller) >= this.#atMs(index)) return;
      this.#swap(index, smaller);
      index = smaller;
    }
  }

  #atMs(index: number): number {
    return this.#heap[index]?.atMs ?? Infinity;
  }

  #swap(a: number, b: number): void {
    const [left, right] = [this.#heap[a], this.#heap[b]];
    // deno-coverage-ignore -- the compiler asks for it: both are within the heap
    if (left === undefined || right === undefined) return;
    this.#heap[a] = right;
    this.#heap[b] = left;
  }
}
