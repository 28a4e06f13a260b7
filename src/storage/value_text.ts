/** Values as an engine stores them that keeps JSON text, and refuses what is too large for it. @module */

import { ValueTooLargeError } from "../errors.ts";
import { encodeJson } from "./json.ts";
import { utf8Length } from "./key.ts";

/**
 * Makes the function that `prepareBatch` calls for each value, which throws a `ValueTooLargeError` for one of more than
 * `maxBytes` in UTF-8.
 */
export function valueEncoder(maxBytes: number): (value: unknown, path?: string) => string {
  return (value, path) => {
    const text = encodeJson(value, path);
    // A UTF-16 code unit takes at most 3 bytes, so that nearly all values need no counting.
    if (text.length * 3 > maxBytes) {
      const bytes = utf8Length(text);
      if (bytes > maxBytes) throw new ValueTooLargeError(bytes, maxBytes);
    }
    return text;
  };
}
