/** Text with NULs in it, which drivers cut at the first one when they read it. @module */

// deno-lint-ignore no-control-regex -- control characters are what this is about
const NEEDS_ESCAPE = /[\0\x01]/;
// deno-lint-ignore no-control-regex -- control characters are what this is about
const EVERY_ESCAPE = /[\0\x01]/g;
// deno-lint-ignore no-control-regex -- control characters are what this is about
const ESCAPED = /\x01([01])/g;

/** Text without NULs, different for different text. */
export function escapeText(text: string): string {
  if (!NEEDS_ESCAPE.test(text)) return text;
  return text.replace(EVERY_ESCAPE, (character) => character === "\0" ? "\x010" : "\x011");
}

/** The text that {@linkcode escapeText} escaped. */
export function unescapeText(text: string): string {
  return text.includes("\x01") ? text.replace(ESCAPED, (_, digit) => digit === "0" ? "\0" : "\x01") : text;
}
