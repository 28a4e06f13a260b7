/** A doubly linked list of numbered places in the order of use, in flat arrays. @module */

const END = 0;
const FIRST_CAPACITY = 64;

/**
 * Hands out places and keeps them in the order in which they were used; all in constant time. Linked objects were
 * measured at a third of the speed: each step touches three of them, and none is near another in memory.
 */
export class RecencyList {
  // Place 0 is the end of the ring: behind it comes the oldest place, before it the newest.
  #older = new Uint32Array(FIRST_CAPACITY);
  #newer = new Uint32Array(FIRST_CAPACITY);
  readonly #free: number[] = [];
  #used = 1;

  /** The place that was not used for longest; 0 when there is none. */
  get oldest(): number {
    return this.#newer[END] ?? END;
  }

  /** A place of its own, used now. Numbers of deleted places come again. */
  add(): number {
    const place = this.#free.pop() ?? this.#used++;
    if (place >= this.#older.length) this.#grow();
    this.#link(place);
    return place;
  }

  /** The place is used now. */
  touch(place: number): void {
    if (this.#older[END] === place) return;
    this.#unlink(place);
    this.#link(place);
  }

  /** Gives a place back. */
  delete(place: number): void {
    this.#unlink(place);
    this.#free.push(place);
  }

  /** All places, from the newest. The list must not change while it is read. */
  *newestFirst(): Generator<number> {
    for (let place = this.#older[END] ?? END; place !== END; place = this.#older[place] ?? END) yield place;
  }

  #link(place: number): void {
    const last = this.#older[END] ?? END;
    this.#older[place] = last;
    this.#newer[place] = END;
    this.#newer[last] = place;
    this.#older[END] = place;
  }

  #unlink(place: number): void {
    const older = this.#older[place] ?? END;
    const newer = this.#newer[place] ?? END;
    this.#newer[older] = newer;
    this.#older[newer] = older;
  }

  #grow(): void {
    const [older, newer] = [this.#older, this.#newer];
    this.#older = new Uint32Array(2 * older.length);
    this.#newer = new Uint32Array(2 * older.length);
    this.#older.set(older);
    this.#newer.set(newer);
  }
}
