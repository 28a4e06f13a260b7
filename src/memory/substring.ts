/** Finds text inside values, case aside: the search of the Python original. @module */

import type { JsonValue } from "../storage/json.ts";

/** Tells whether a value holds a text: in a string, a number or boolean as written, or the name of a field. */
export type ContainsText = (value: JsonValue) => boolean;

// The platform's search compares up to pattern x text characters; with a pattern this short that is still linear.
const MAX_PLAIN_PATTERN = 64;

/** Makes the test for one query. */
export function containsText(query: string): ContainsText {
  const pattern = query.toLowerCase();
  const isIn = pattern.length <= MAX_PLAIN_PATTERN ? (text: string) => text.includes(pattern) : linearSearch(pattern);
  const holds = (value: JsonValue): boolean => {
    if (typeof value === "string") return isIn(value.toLowerCase());
    if (value === null) return false;
    if (typeof value !== "object") return isIn(String(value));
    if (Array.isArray(value)) return value.some(holds);
    return Object.entries(value).some(([name, each]) => isIn(name.toLowerCase()) || holds(each));
  };
  return holds;
}

/** Knuth, Morris and Pratt's search: time proportional to the text, whatever the pattern. */
function linearSearch(pattern: string): (text: string) => boolean {
  // After a mismatch behind `length` matching characters, `borders[length - 1]` of them still match.
  const borders = new Uint32Array(pattern.length);
  for (let index = 1, length = 0; index < pattern.length; index++) {
    while (length > 0 && pattern[index] !== pattern[length]) length = borders[length - 1] ?? 0;
    if (pattern[index] === pattern[length]) length++;
    borders[index] = length;
  }
  return (text) => {
    let length = 0;
    for (let index = 0; index < text.length; index++) {
      while (length > 0 && text[index] !== pattern[length]) length = borders[length - 1] ?? 0;
      if (text[index] === pattern[length] && ++length === pattern.length) return true;
    }
    return false;
  };
}
