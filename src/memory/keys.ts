/** Where a memory keeps its records. @module */

import { requireString } from "../check.ts";
import { compareEncoded, encodeKey, type Key } from "../storage/key.ts";

/** The keys of one namespace. The number of its parts comes first, so that no namespace is within another. */
export class MemoryKeys {
  /** Below it are the entries; what listens for their changes listens to it. */
  readonly entries: Key;
  /** Below it are their former versions. */
  readonly histories: Key;
  /** The namespace. */
  readonly namespace: Key;

  /**
   * Makes the keys of a namespace.
   *
   * @throws {RangeError} When it is too long.
   */
  constructor(namespace: Key) {
    this.namespace = [...namespace];
    const parts = [String(namespace.length), ...namespace];
    this.entries = ["memory", ...parts];
    this.histories = ["memory-history", ...parts];
    encodeKey(this.histories);
  }

  /** Where an entry is. */
  entry(key: string): Key {
    return [...this.entries, requireString("key", key, 0, Infinity)];
  }

  /** Where the former versions of an entry are. */
  history(key: string): Key {
    return [...this.histories, requireString("key", key, 0, Infinity)];
  }

  /** The key of an entry, given that of its record. */
  nameOf(record: Key): string {
    // deno-coverage-ignore -- the compiler asks for it: no record has an empty key
    return record.at(-1) ?? "";
  }
}

/** Compares the keys of entries in the order in which they are listed. */
export function compareKeys(a: string, b: string): number {
  return compareEncoded(encodeKey([a]), encodeKey([b]));
}

/**
 * A key behind all keys that begin with a text, and before all that follow them: the text with the next character in
 * place of its last; `null` where there is none, or one of the two is stored in another form.
 */
export function behindAll(prefix: string): string | null {
  const last = Array.from(prefix.slice(-2)).at(-1) ?? "";
  const code = last.codePointAt(0) ?? 0;
  if (code < 3 || (code >= 0xd800 && code <= 0xdfff) || code === 0x10ffff) return null;
  return prefix.slice(0, -last.length) + String.fromCodePoint(code === 0xd7ff ? 0xe000 : code + 1);
}

/** The conversation that a key implies: what it says before its last ":"; `null` when there is none. */
export function impliedSession(key: string): string | null {
  const end = key.lastIndexOf(":");
  return end <= 0 ? null : key.slice(0, end);
}
