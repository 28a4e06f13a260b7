/** Text on its way to PostgreSQL and back: no NUL may be in it, and arrays travel as literals. @module */

// deno-lint-ignore no-control-regex -- control characters are what this is about
const NEEDS_ESCAPE = /[\0\x01\ufeff]/;
// deno-lint-ignore no-control-regex -- control characters are what this is about
const EVERY_ESCAPE = /[\0\x01\ufeff]/g;
// deno-lint-ignore no-control-regex -- control characters are what this is about
const ESCAPED = /\x01([012])/g;

// The server takes no NUL, and PGlite drops a byte order mark that text begins with.
const SPECIAL = "\0\x01\ufeff";

/** Text without what is lost on the way, different for different text. */
export function escapeText(text: string): string {
  if (!NEEDS_ESCAPE.test(text)) return text;
  return text.replace(EVERY_ESCAPE, (character) => `\x01${SPECIAL.indexOf(character)}`);
}

/** The text that {@linkcode escapeText} escaped. */
export function unescapeText(text: string): string {
  return text.includes("\x01") ? text.replace(ESCAPED, (_, digit) => SPECIAL[Number(digit)] ?? "") : text;
}

/**
 * The literal of an array, for `$1::text::type[]`: clients differ in what they make of arrays, and in whether they ask
 * the server for its types first.
 */
export function arrayLiteral(items: readonly (string | number | null)[]): string {
  let literal = "{";
  for (let index = 0; index < items.length; index++) {
    if (index > 0) literal += ",";
    const item = items[index] ?? null;
    if (item === null) literal += "NULL";
    else if (typeof item === "number") literal += item;
    else literal += `"${/["\\]/.test(item) ? item.replace(/["\\]/g, "\\$&") : item}"`;
  }
  return literal + "}";
}

/** A quoted identifier. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
