/** Values in an engine that keeps JSON text: refused when they are too large, and told of when damaged. @module */

import { BackendCorruptError, ValueTooLargeError } from "../errors.ts";
import { encodeJson, type JsonValue } from "./json.ts";
import { type Key, utf8Length } from "./key.ts";

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

/**
 * What is stored under a name.
 *
 * @throws {BackendCorruptError} When it is damaged.
 */
export function parseValue(text: string, name: string | Key): JsonValue {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new BackendCorruptError(`Cannot read ${JSON.stringify(name)}: its value is damaged`, { cause });
  }
}
