/** Which tracked records of one parent were written or deleted, in that order. @module */

interface Change {
  readonly key: string;
  readonly at: number;
  readonly isDeletion: boolean;
}

/** A part of what has changed. */
export interface FeedPage {
  /** The keys that were written or deleted, each once. */
  readonly keys: readonly string[];
  /** The last change that was looked at. */
  readonly end: number;
  /** Whether there are more behind it. */
  readonly more: boolean;
}

// The log is cleaned when it holds so many changes besides those that wrote the records which are there. It keeps the
// newest deletions then: only who has not read for longer has to begin from the start.
const MAX_OTHERS = 2000;
const KEPT_DELETIONS = 1000;

/** The changes of one parent, numbered by the count of the whole store. Of each key only the last one counts. */
export class Feed {
  /** Deletions up to here may be forgotten. */
  floor: number;
  readonly #last = new Map<string, Change>();
  #log: Change[] = [];
  #size = 0;

  /** A feed whose first change comes behind `floor`. */
  constructor(floor: number) {
    this.floor = floor;
  }

  /** How many records there are. */
  get size(): number {
    return this.#size;
  }

  /** Notes that a record was written. */
  write(key: string, at: number): void {
    if (this.#last.get(key)?.isDeletion ?? true) this.#size++;
    this.#note({ key, at, isDeletion: false });
  }

  /** Notes that a record was deleted. */
  delete(key: string, at: number): void {
    this.#size--;
    this.#note({ key, at, isDeletion: true });
  }

  /** What changed behind `after`, at most `limit` keys. */
  read(after: number, limit: number): FeedPage {
    const keys: string[] = [];
    let index = this.#indexBehind(after);
    let end = after;
    for (let change = this.#log[index]; change && keys.length < limit; change = this.#log[++index]) {
      if (this.#last.get(change.key) === change) keys.push(change.key);
      end = change.at;
    }
    return { keys, end, more: index < this.#log.length };
  }

  #note(change: Change): void {
    this.#last.set(change.key, change);
    this.#log.push(change);
    if (this.#log.length > 2 * this.#size + MAX_OTHERS) this.#clean();
  }

  /** O(1) a change: there are at least as many new ones since the last time as are looked through. */
  #clean(): void {
    const current = this.#log.filter((change) => this.#last.get(change.key) === change);
    const forgotten = new Set(current.filter(({ isDeletion }) => isDeletion).slice(0, -KEPT_DELETIONS));
    for (const { key, at } of forgotten) {
      this.#last.delete(key);
      this.floor = at;
    }
    this.#log = current.filter((change) => !forgotten.has(change));
  }

  #indexBehind(after: number): number {
    let low = 0;
    let high = this.#log.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      // deno-coverage-ignore -- the compiler asks for it: the middle is within the log
      if ((this.#log[middle]?.at ?? 0) <= after) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
