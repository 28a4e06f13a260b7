/** The order of keys, said once more and independently of the encoding that the backends share. @module */

import type { Key } from "../../src/storage/key.ts";

/** Orders keys part by part by their UTF-8 bytes, a key before those that it begins. */
export function compareKeys(a: Key, b: Key): number {
  const [first, second] = [a.map(bytesOf), b.map(bytesOf)];
  for (const [index, part] of first.entries()) {
    const other = second[index];
    if (other === undefined) return 1;
    if (part !== other) return part < other ? -1 : 1;
  }
  return a.length - b.length;
}

/** Whether two keys are the same. */
export function isSame(a: Key, b: Key): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Whether `key` begins with all parts of `prefix`, and goes on. */
export function isBelow(key: Key, prefix: Key): boolean {
  return key.length > prefix.length && isSame(key.slice(0, prefix.length), prefix);
}

/** One character for each byte, so that comparing strings compares bytes. */
function bytesOf(part: string): string {
  return String.fromCharCode(...new TextEncoder().encode(part));
}
