/** Messages as callers see them. @module */

import type { Delivery, StoredMessage } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { stateAt } from "../../src/storage/place.ts";
import { parseValue } from "../../src/storage/value_text.ts";
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
