/** Identifiers: random ones for lease tokens and addresses, and message ids that begin with their time. @module */

// In the order of their bytes, so that ids that begin with a time sort by it.
const ALPHABET = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
const CODES = Array.from(ALPHABET, (character) => character.charCodeAt(0));
const RANDOM_CHARACTERS = 22; // of 6 bits each: 132 bits
const TIME_CHARACTERS = 8; // of 6 bits each: 48 bits of milliseconds last until the year 10889
const TAIL_CHARACTERS = 14; // of 6 bits each: 84 bits, within one millisecond

// One getRandomValues call for about 186 ids: a call each costs three times as much as the id itself.
const pool = new Uint8Array(186 * RANDOM_CHARACTERS);
let used = pool.length;

/** A random, URL-safe identifier of 22 characters. */
export function randomId(): string {
  const codes: number[] = [];
  writeRandom(codes, 0, RANDOM_CHARACTERS);
  // Made in one go: a string put together piece by piece is flattened again when it is first looked up.
  return String.fromCharCode(...codes);
}

// The last message id: the next one is of the same millisecond, more often than not.
const last = Array.from({ length: TIME_CHARACTERS + TAIL_CHARACTERS }, () => 0);
let lastMs = NaN;

/**
 * A message id: the time in milliseconds, then 84 random bits; 22 URL-safe characters. Ids of about the same time stand
 * together in an ordered index: with random ones, SQLite writes 2.7 pages a message and sends at two thirds of the
 * speed.
 */
export function messageId(nowMs: number): string {
  const ms = Math.floor(nowMs);
  if (ms !== lastMs) writeTime(last, ms);
  lastMs = ms;
  writeRandom(last, TIME_CHARACTERS, last.length);
  return String.fromCharCode(...last);
}

function writeTime(codes: number[], ms: number): void {
  let rest = ms;
  for (let index = TIME_CHARACTERS - 1; index >= 0; index--) {
    codes[index] = CODES[rest % 64] ?? 0;
    rest = Math.floor(rest / 64);
  }
}

/** Writes the codes of random characters from one place up to another. */
function writeRandom(codes: number[], from: number, to: number): void {
  if (used + to - from > pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  for (let index = from; index < to; index++) codes[index] = CODES[(pool[used++] ?? 0) & 63] ?? 0;
}
