/** A set of ids that only grows: a few in a `Set`, many as bytes, at which no collector looks. @module */

import { IdTable } from "./id_table.ts";

// Up to so many are in a Set, which takes the least for a mailbox that is hardly used.
const FEW = 256;

// Many are spread over 64 tables, so that none is large enough for its growth to be a pause.
const TABLE_BITS = 6;
const TABLES = 2 ** TABLE_BITS;

/**
 * Strings of up to 256 characters, without removal. A `Set` of a million strings stops for 83 ms when it grows, keeps
 * collectors busy with each of its strings, and throws at 2^24 of them: two minutes of sending as fast as memory can.
 */
export class IdSet {
  /** What came first; later only ids that have a character of more than one byte. */
  readonly #few = new Set<string>();
  #tables: readonly IdTable[] | null = null;
  #size = 0;

  /** How many ids there are. */
  get size(): number {
    return this.#size;
  }

  /** Adds an id and tells whether it is a new one. */
  add(id: string): boolean {
    if (this.#size === FEW && this.#tables === null) this.#spread();
    const hash = this.#tables && hashOf(id);
    const isNew = hash === null ? addTo(this.#few, id) : this.#table(hash).add(id, hash >>> TABLE_BITS);
    if (isNew) this.#size++;
    return isNew;
  }

  /** Whether an id is there. */
  has(id: string): boolean {
    const hash = this.#tables && hashOf(id);
    return hash === null ? this.#few.has(id) : this.#table(hash).has(id, hash >>> TABLE_BITS);
  }

  #spread(): void {
    this.#tables = Array.from({ length: TABLES }, () => new IdTable());
    for (const id of this.#few) {
      const hash = hashOf(id);
      if (hash !== null && this.#table(hash).add(id, hash >>> TABLE_BITS)) this.#few.delete(id);
    }
  }

  #table(hash: number): IdTable {
    const table = this.#tables?.[hash & (TABLES - 1)];
    // deno-coverage-ignore -- the compiler asks for it: only who has made the tables has a hash to look with
    if (table === undefined) throw new Error("Cannot look for the id: there are no tables yet");
    return table;
  }
}

const [SEED = 0] = crypto.getRandomValues(new Int32Array(1));

/**
 * 32 bits that nobody can foresee, so that nobody can choose ids that meet; `null` where a character takes two bytes.
 */
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
