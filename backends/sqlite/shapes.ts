/** Messages as callers see them. @module */

import { BackendCorruptError } from "../../src/errors.ts";
import type { Delivery, StoredMessage } from "../../src/storage/backend.ts";
import type { JsonValue } from "../../src/storage/json.ts";
import type { Key } from "../../src/storage/key.ts";
import { stateAt } from "../../src/storage/place.ts";
import type { Claimed, Stored } from "./messages.ts";
import { unescapeText } from "./text.ts";

/** A message that was leased. */
export function toDelivery(claimed: Claimed, queue: Key): Delivery {
  const { token, value, priority, attempt, maxAttempts, enqueuedAtMs, leaseExpiresAtMs, lastError } = claimed;
  const id = unescapeText(claimed.id);
  // Field by field: a rest and a spread would take as long as the parsing.
  const delivery = {
    queue,
    id,
    token,
    value: parseValue(value, id),
    priority,
    attempt,
    maxAttempts,
    enqueuedAtMs,
    leaseExpiresAtMs,
  };
  return lastError === null ? delivery : { ...delivery, lastError: unescapeText(lastError) };
}

/** A message of a listing. */
export function toStoredMessage(message: Stored, queue: Key): StoredMessage {
  const id = unescapeText(message.id);
  return {
    queue,
    id,
    value: parseValue(message.value, id),
    priority: message.priority,
    state: stateAt(message.place),
    attempts: message.attempts,
    maxAttempts: message.max_attempts,
    enqueuedAtMs: message.enqueued_at,
    dueAtMs: message.due_at,
    ...(message.last_error !== null && { lastError: unescapeText(message.last_error) }),
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
