/** Messages as callers see them. @module */

import type { Delivery, StoredMessage } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { stateAt } from "../../src/storage/place.ts";
import type { Claimed, Stored } from "./messages.ts";
import { unescapeText } from "./text.ts";

/** A message that was leased. */
export function toDelivery(claimed: Claimed, queue: Key): Delivery {
  const { id, token, value, priority, attempt, maxAttempts, enqueuedAtMs, leaseExpiresAtMs, lastError } = claimed;
  // Field by field: a rest and a spread would take as long as the parsing.
  const delivery = {
    queue,
    id: unescapeText(id),
    token,
    value: JSON.parse(value),
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
  return {
    queue,
    id: unescapeText(message.id),
    value: JSON.parse(message.value),
    priority: message.priority,
    state: stateAt(message.place),
    attempts: message.attempts,
    maxAttempts: message.max_attempts,
    enqueuedAtMs: message.enqueued_at,
    dueAtMs: message.due_at,
    ...(message.last_error !== null && { lastError: unescapeText(message.last_error) }),
  };
}
