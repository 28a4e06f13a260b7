/** What expires when, so that only what has expired is looked at. @module */

interface Expiring {
  readonly key: string;
  readonly atMs: number;
}

/** A binary heap of keys by the time at which they expire. A key may be in it several times. */
export class ExpiryQueue {
  readonly #heap: Expiring[] = [];

  /** Notes that a key expires at a time. */
  add(key: string, atMs: number): void {
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

  /** The keys that were to expire up to `nowMs`, which are forgotten. */
  *due(nowMs: number): Generator<string> {
    for (let [first] = this.#heap; first && first.atMs <= nowMs; [first] = this.#heap) {
      const last = this.#heap.pop();
      if (last && last !== first) {
        this.#heap[0] = last;
        this.#sink();
      }
      yield first.key;
    }
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
