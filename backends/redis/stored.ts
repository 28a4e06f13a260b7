/** Reads what the scripts have written: records and messages; `scripts/prelude.ts` tells its form. @module */

import type { Delivery, Entry, MessageState, StoredMessage } from "../../src/storage/backend.ts";
import { decodeKey, type Key } from "../../src/storage/key.ts";
import { parseValue } from "../../src/storage/value_text.ts";
import type { ClaimedMessage } from "./units/unit.ts";

const KINDS: Readonly<Record<MessageState, string>> = { ready: "9", delayed: "d", leased: "l", dead: "x" };

/** The letter of a state in the names of keys; for ready the first priority. */
export function kindOf(state: MessageState): string {
  return KINDS[state];
}

/** A record of its key and its text: version; expiry or `-`, and `t` where it is tracked; JSON. */
export function readRecord(key: string, text: string): Entry {
  const [version, expiry, value] = split(text);
  const decoded = decodeKey(key);
  return {
    key: decoded,
    value: parseValue(value, decoded),
    version,
    ...(!expiry.startsWith("-") && { expiresAtMs: parseInt(expiry) }),
    ...(expiry.endsWith("t") && TRACKED),
  };
}

/** Records of their keys and texts in turn. */
export function readRecords(found: readonly unknown[]): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at < found.length; at += 2) entries.push(readRecord(String(found[at]), String(found[at + 1])));
  return entries;
}

const TRACKED = { tracked: true } as const;

/** A delivery of what a claim gave. */
export function readDelivery(queue: Key, claimed: ClaimedMessage): Delivery {
  const { id, token, message, leaseExpiresAtMs, lastError } = claimed;
  const { enqueuedAtMs, priority, maxAttempts, value } = readMessage(id, message);
  const attempt = attemptsAt(token, TOKEN_ATTEMPTS);
  const delivery = { queue, id, token, value, priority, attempt, maxAttempts, enqueuedAtMs, leaseExpiresAtMs };
  return lastError === null ? delivery : { ...delivery, lastError };
}

/** Where a message stands, as the script for places gives it. */
export interface Place {
  readonly id: string;
  readonly attempts: number;
  /** `null`: as when it was accepted. */
  readonly dueAtMs: number | null;
}

/** Places of their names, states and scores in turn. */
export function readPlaces(state: MessageState, found: readonly string[]): Place[] {
  const places: Place[] = [];
  for (let at = 0; at < found.length; at += 3) {
    places.push(readPlace(state, found[at] ?? "", found[at + 1] ?? "", found[at + 2] ?? ""));
  }
  return places;
}

/** A place of its id or member, its state and its score. */
function readPlace(state: MessageState, name: string, stored: string, score: string): Place {
  switch (state) {
    case "ready":
      if (stored === "") return { id: name, attempts: 0, dueAtMs: null };
      return { id: name, attempts: attemptsAt(stored, stored.indexOf(".") + 1), dueAtMs: parseInt(stored.slice(1)) };
    case "leased":
      return {
        id: name.slice(tokenLength(name)),
        attempts: attemptsAt(name, TOKEN_ATTEMPTS),
        dueAtMs: Number(score),
      };
    default:
      return { id: name.slice(MARK_LENGTH), attempts: attemptsAt(stored, 1 + MARK_LENGTH), dueAtMs: Number(score) };
  }
}

/** A message with its place. */
export function readStoredMessage(
  queue: Key,
  state: MessageState,
  { id, attempts, dueAtMs }: Place,
  message: string,
  lastError: string | null,
): StoredMessage {
  const { enqueuedAtMs, priority, maxAttempts, value } = readMessage(id, message);
  return {
    queue,
    id,
    value,
    priority,
    state,
    attempts,
    maxAttempts,
    enqueuedAtMs,
    dueAtMs: dueAtMs ?? enqueuedAtMs,
    ...(lastError !== null && { lastError }),
  };
}

const MARK_LENGTH = 17;
/** Behind the mark and a flag. */
const TOKEN_ATTEMPTS = MARK_LENGTH + 1;
const RANDOM_LENGTH = 22;
const TOKEN = /^\d{17}[FA]\d+\/\d+\.\d+:\d+\.[\w-]{22}$/;

/** How much of the name of a lease is its token; the rest is the id of the message. */
export function tokenLength(name: string): number {
  return name.indexOf(".", name.indexOf(":")) + 1 + RANDOM_LENGTH;
}

/** Whether a text has the form of a token; any other would be put together with an id to a wrong member. */
export function isToken(text: string): boolean {
  return TOKEN.test(text);
}

/** The attempts, which end with a slash, from here on. */
function attemptsAt(text: string, start: number): number {
  return Number(text.slice(start, text.indexOf("/", start)));
}

/** When it was accepted, note, priority, most attempts, JSON. */
function readMessage(
  id: string,
  text: string,
): Pick<StoredMessage, "enqueuedAtMs" | "priority" | "maxAttempts" | "value"> {
  const [enqueuedAt, , rest] = split(text);
  const [priority, maxAttempts, value] = split(rest);
  return {
    enqueuedAtMs: Number(enqueuedAt),
    priority: Number(priority),
    maxAttempts: Number(maxAttempts),
    value: parseValue(value, id),
  };
}

/** The first two words, and the rest; nothing, which is no JSON, of a text that has been cut off. */
function split(text: string): [string, string, string] {
  const first = text.indexOf(" ");
  const second = text.indexOf(" ", first + 1);
  if (second < 0) return ["", "", ""];
  return [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)];
}
