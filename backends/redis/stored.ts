/** Reads what the scripts have written: records and messages. @module */

import type { Delivery, Entry, MessageState, StoredMessage } from "../../src/storage/backend.ts";
import { decodeKey, type Key } from "../../src/storage/key.ts";
import type { ClaimedMessage } from "./step.ts";

const KINDS: Readonly<Record<MessageState, string>> = { ready: "r", delayed: "d", leased: "l", dead: "x" };

/** The letter of a state in the names of keys. */
export function kindOf(state: MessageState): string {
  return KINDS[state];
}

/** A record of its key and its text: version, expiry or `-`, JSON. */
export function readRecord(key: string, text: string): Entry {
  const [version, expiry, value] = split(text);
  const entry = { key: decodeKey(key), value: JSON.parse(value), version };
  return expiry === "-" ? entry : { ...entry, expiresAtMs: Number(expiry) };
}

/** A delivery of what a claim gave. */
export function readDelivery(queue: Key, claimed: ClaimedMessage): Delivery {
  const { id, token, message, leaseExpiresAtMs, lastError } = claimed;
  return {
    queue,
    id,
    token,
    ...readBody(message),
    attempt: attemptsOf(token),
    leaseExpiresAtMs,
    ...(lastError !== null && { lastError }),
  };
}

/** What the script for details gives of one message. */
export interface Details {
  readonly message: string;
  readonly state: string;
  readonly at: string;
  readonly lastError: string | null;
}

/** A message with its place, `null` when it is gone or no longer in this state. */
export function readMessage(queue: Key, id: string, expected: MessageState, details: Details): StoredMessage | null {
  const { message, state, at, lastError } = details;
  if (message === "" || stateOf(state) !== expected) return null;
  const body = readBody(message);
  return {
    queue,
    id,
    ...body,
    state: expected,
    attempts: state === "" ? 0 : attemptsOf(state),
    dueAtMs: at !== "" ? Number(at) : state === "" ? body.enqueuedAtMs : Number(state.slice(1, state.indexOf("."))),
    ...(lastError !== null && { lastError }),
  };
}

function stateOf(state: string): MessageState {
  switch (state[0]) {
    case "D":
      return "delayed";
    case "L":
      return "leased";
    case "X":
      return "dead";
    default:
      return "ready";
  }
}

/** The attempts of a state; see the scripts for its form. */
function attemptsOf(state: string): number {
  const start = state.startsWith("R") ? state.indexOf(".") + 1 : 18;
  return Number(state.slice(start, state.indexOf("/", start)));
}

/** When it was accepted, priority, most attempts, JSON. */
function readBody(text: string): Pick<StoredMessage, "enqueuedAtMs" | "priority" | "maxAttempts" | "value"> {
  const [enqueuedAt, priority, rest] = split(text);
  const end = rest.indexOf(" ");
  return {
    enqueuedAtMs: Number(enqueuedAt),
    priority: Number(priority),
    maxAttempts: Number(rest.slice(0, end)),
    value: JSON.parse(rest.slice(end + 1)),
  };
}

/** The first two words, and the rest. */
function split(text: string): [string, string, string] {
  const first = text.indexOf(" ");
  const second = text.indexOf(" ", first + 1);
  return [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)];
}
