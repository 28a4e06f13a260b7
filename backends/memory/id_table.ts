/** A hash table of ids as bytes, by open addressing. @module */

/** Strings of 1 to 256 characters of one byte each, with hashes that the caller makes of them. */
export class IdTable {
  // Two numbers a slot: the hash, and where in the bytes the id begins, plus one; zero says that the slot is free.
  #slots = new Uint32Array(2 * 16);
  // Each id after its length minus one.
  #bytes = new Uint8Array(256);
  #end = 0;
  #size = 0;

  /** Adds an id and tells whether it is a new one. */
  add(id: string, hash: number): boolean {
    const slot = this.#find(id, hash);
    if (this.#slots[slot + 1] !== 0) return false;
    this.#slots[slot] = hash;
    this.#slots[slot + 1] = this.#append(id) + 1;
    if (++this.#size * 4 > this.#slots.length) this.#grow();
    return true;
  }

  /** Whether an id is there. */
  has(id: string, hash: number): boolean {
    return this.#slots[this.#find(id, hash) + 1] !== 0;
  }

  /** The slot of an id, or the free one where it would be. */
  #find(id: string, hash: number): number {
    const slots = this.#slots;
    let slot = firstSlot(slots, hash);
    for (let start = slots[slot + 1]; start; start = slots[slot + 1]) {
      if (slots[slot] === hash && this.#isAt(start - 1, id)) break;
      slot = nextSlot(slots, slot);
    }
    return slot;
  }

  #isAt(start: number, id: string): boolean {
    if (this.#bytes[start] !== id.length - 1) return false;
    for (let index = 0; index < id.length; index++) {
      if (this.#bytes[start + 1 + index] !== id.charCodeAt(index)) return false;
    }
    return true;
  }

  #append(id: string): number {
    const start = this.#end;
    this.#end = start + 1 + id.length;
    if (this.#end > this.#bytes.length) {
      const bytes = new Uint8Array(2 * this.#end);
      bytes.set(this.#bytes);
      this.#bytes = bytes;
    }
    this.#bytes[start] = id.length - 1;
    for (let index = 0; index < id.length; index++) this.#bytes[start + 1 + index] = id.charCodeAt(index);
    return start;
  }

  #grow(): void {
    const slots = new Uint32Array(2 * this.#slots.length);
    for (let from = 0; from < this.#slots.length; from += 2) {
      const [hash = 0, start = 0] = [this.#slots[from], this.#slots[from + 1]];
      if (start === 0) continue;
      let to = firstSlot(slots, hash);
      while (slots[to + 1] !== 0) to = nextSlot(slots, to);
      slots[to] = hash;
      slots[to + 1] = start;
    }
    this.#slots = slots;
  }
}

function firstSlot(slots: Uint32Array, hash: number): number {
  return (2 * hash) % slots.length;
}

function nextSlot(slots: Uint32Array, slot: number): number {
  return (slot + 2) % slots.length;
}
