/** A set of ids that only grows: a few in a `Set`, many as bytes, at which no collector looks. @module */

// Up to so many are in a Set, which takes the least for a mailbox that is hardly used.
const FEW = 256;

// Many are spread over so many tables, a power of two, so that none is large enough for its growth to be a pause.
const TABLES = 64;

/**
 * Strings of up to 256 characters, without removal. A `Set` of a million strings stops for 170 ms when it grows, keeps
 * collectors busy with each of its strings, and throws at 2^24 of them: two minutes of sending as fast as memory can.
 */
export class IdSet {
  /** What came first; later only ids that have a character of more than one byte. */
  readonly #few = new Set<string>();
  #tables: readonly Table[] | null = null;
  #size = 0;

  /** How many ids there are. */
  get size(): number {
    return this.#size;
  }

  /** Adds an id and tells whether it is a new one. */
  add(id: string): boolean {
    if (this.#size === FEW && this.#tables === null) this.#spread();
    const hash = this.#tables && hashOf(id);
    const isNew = hash === null ? addTo(this.#few, id) : this.#table(hash).add(id, hash);
    if (isNew) this.#size++;
    return isNew;
  }

  /** Whether an id is there. */
  has(id: string): boolean {
    const hash = this.#tables && hashOf(id);
    return hash === null ? this.#few.has(id) : this.#table(hash).has(id, hash);
  }

  #spread(): void {
    this.#tables = Array.from({ length: TABLES }, () => new Table());
    for (const id of this.#few) {
      const hash = hashOf(id);
      if (hash !== null && this.#table(hash).add(id, hash)) this.#few.delete(id);
    }
  }

  #table(hash: number): Table {
    const table = this.#tables?.[hash % TABLES];
    if (table === undefined) throw new Error("Cannot look for the id: there are no tables yet");
    return table;
  }
}

/** Ids as bytes, found by open addressing. */
class Table {
  // Two numbers a slot: the hash, and where in the bytes the id begins, plus one; zero says that the slot is free.
  #slots = new Uint32Array(2 * 16);
  // Each id after its length minus one.
  #bytes = new Uint8Array(256);
  #end = 0;
  #size = 0;

  add(id: string, hash: number): boolean {
    const slot = this.#find(id, hash);
    if (this.#slots[slot + 1] !== 0) return false;
    this.#slots[slot] = hash;
    this.#slots[slot + 1] = this.#append(id) + 1;
    if (++this.#size * 4 > this.#slots.length) this.#grow();
    return true;
  }

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
  return (2 * Math.floor(hash / TABLES)) % slots.length;
}

function nextSlot(slots: Uint32Array, slot: number): number {
  return (slot + 2) % slots.length;
}

const [SEED = 0] = crypto.getRandomValues(new Int32Array(1));

/** 32 bits that nobody can foresee, so that nobody can choose ids that meet; `null` where a character takes two bytes. */
function hashOf(id: string): number | null {
  let hash = SEED;
  let bits = 0;
  for (let index = 0; index < id.length; index++) {
    const code = id.charCodeAt(index);
    bits |= code;
    hash = Math.imul(hash ^ code, 0x01000193);
  }
  if (bits > 0xff) return null;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (hash ^ (hash >>> 13)) >>> 0;
}

function addTo(set: Set<string>, id: string): boolean {
  const { size } = set;
  return set.add(id).size > size;
}
