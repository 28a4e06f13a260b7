/** Values in an engine that keeps JSON text: refused when they are too large, and told of when damaged. @module */

import { BackendCorruptError, ValueTooLargeError } from "../errors.ts";
import type { Delivery } from "./backend.ts";
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

/**
 * Deliveries of what a claim has leased. One that is damaged is not delivered, and holds up no other: its lease comes to
 * an end, and it dies once its attempts are used up.
 *
 * @throws {BackendCorruptError} Naming the first of them, when there is no other.
 */
export function readDeliveries<Claimed>(
  claimed: readonly Claimed[],
  read: (each: Claimed) => Delivery,
): Delivery[] {
  const deliveries: Delivery[] = [];
  let damage: unknown = null;
  for (const each of claimed) {
    try {
      deliveries.push(read(each));
    } catch (error) {
      damage ??= error;
    }
  }
  if (damage !== null && deliveries.length === 0) throw damage;
  return deliveries;
}
