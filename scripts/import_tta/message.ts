/** Makes messages of this library of the original's JSON. @module */

import { createHash } from "node:crypto";
import { type AgentId, type AgentMessageInput, checkAgentId, checkMessage } from "../../src/messages/model.ts";
import type { JsonObject, JsonValue } from "../../src/storage/json.ts";

/** A message that can be sent, with what the original knew of it. */
export interface ImportedMessage {
  /** Names the message in its mailbox. */
  readonly id: string;
  /** Tells messages with the same id but other content from each other. */
  readonly identity: string;
  readonly sender: AgentId;
  readonly input: AgentMessageInput;
  /** How many times its handling has failed. */
  readonly attempts: number;
  /** What went wrong the last time. */
  readonly lastError: string | undefined;
  /** Why the original could not be read. Such a message carries its text, and is to be a dead letter. */
  readonly unreadable: string | undefined;
  /** Whom the original itself names as its recipient. */
  readonly recipient: AgentId | null;
}

const SHORTEST_ID = 6;
const LONGEST_ID = 256;
const IMPORTER: AgentId = { type: "import", instance: "tta" };

/** The message of a text; never throws: what cannot be read is kept as it is. */
export function readMessage(text: string, level: number | undefined): ImportedMessage {
  try {
    return toMessage(JSON.parse(text, requireExact), level);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const id = `unreadable-${hash(text)}`;
    return {
      id,
      identity: hash(text),
      sender: IMPORTER,
      input: { messageId: id, payload: { text }, priority: priorityOf(level) },
      attempts: 0,
      lastError: `Cannot read the original message: ${reason}`,
      unreadable: reason,
      recipient: null,
    };
  }
}

/** Another id for a message whose own is taken by another message; always the same. */
export function anotherId({ id, identity }: ImportedMessage): string {
  return `${id.slice(0, LONGEST_ID - identity.length - 1)}~${identity}`;
}

function toMessage(stored: JsonValue, level: number | undefined): ImportedMessage {
  const { message, priority, enqueued_at: enqueuedAt, delivery_attempts: attempts, last_error: lastError } = asObject(
    stored,
    "it",
  );
  const { message_id: givenId, sender, recipient, message_type: type, payload, routing, timestamp } = asObject(
    message,
    "message",
  );
  if (typeof givenId !== "string") throw new TypeError("message.message_id is no string");
  const id = givenId.length >= SHORTEST_ID && givenId.length <= LONGEST_ID && givenId.isWellFormed()
    ? givenId
    : `tta-${hash(givenId)}`;
  const from = toAgentId(sender, "message.sender");
  const { topic, tags } = routing === undefined || routing === null ? {} : asObject(routing, "message.routing");
  const input = checkMessage({
    messageId: id,
    messageType: type === "request" || type === "response" || type === "event" ? type : refuse("message.message_type"),
    payload: payload === undefined || payload === null ? {} : asObject(payload, "message.payload"),
    priority: priorityOf(level ?? (typeof priority === "number" ? priority : undefined)),
    routing: {
      ...(typeof topic === "string" && { topic }),
      ...(Array.isArray(tags) && tags.length > 0 && { tags: tags.map(String) }),
    },
    timestamp: timeOf(timestamp) ?? timeOf(enqueuedAt),
  });
  return {
    id,
    identity: hash(canonical([encode(from), input.messageType ?? "event", input.payload ?? {}, routing ?? null])),
    sender: from,
    input,
    attempts: typeof attempts === "number" && attempts > 0 ? Math.floor(attempts) : 0,
    lastError: typeof lastError === "string" && lastError.isWellFormed() ? lastError : undefined,
    unreadable: undefined,
    recipient: tryAgentId(recipient),
  };
}

/** The agent of an id of the original, where an instance may be `null`. */
export function toAgentId(value: JsonValue | undefined, field: string): AgentId {
  const { type, instance } = asObject(value, field);
  if (typeof type !== "string") throw new TypeError(`${field}.type is no string`);
  const agent = typeof instance === "string" ? { type, instance } : { type };
  checkAgentId(field, agent);
  return agent;
}

/** Of the form `type:instance`, as keys have it. The first colon ends the type, unless somebody knows better. */
export function agentOfName(name: string, candidates: Iterable<AgentId | null>): AgentId {
  for (const candidate of candidates) {
    if (candidate && `${candidate.type}:${candidate.instance ?? "default"}` === name) return candidate;
  }
  const colon = name.indexOf(":");
  return colon < 0 ? { type: name } : { type: name.slice(0, colon), instance: name.slice(colon + 1) };
}

/** 24 digits that tell one text from another. */
export function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 24);
}

function tryAgentId(value: JsonValue | undefined): AgentId | null {
  try {
    return toAgentId(value, "recipient");
  } catch {
    return null;
  }
}

function encode({ type, instance }: AgentId): JsonObject {
  return instance === undefined ? { type } : { type, instance };
}

function priorityOf(level: number | undefined): number {
  return level === undefined ? 5 : Math.min(9, Math.max(0, Math.round(level)));
}

/** A time of the original with its offset; one without is in UTC, as the original's own times are. */
function timeOf(value: JsonValue | undefined): string | undefined {
  if (typeof value !== "string") return undefined;
  const text = /(?:Z|[+-]\d\d:?\d\d)$/.test(value) ? value : `${value}Z`;
  const time = new Date(text);
  return Number.isNaN(time.getTime())
    ? undefined
    : /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text)
    ? text
    : time.toISOString();
}

/** Python's integers have no bound: one that is not exact here must not pass for what it was. */
function requireExact(_name: string, value: JsonValue, context?: { readonly source?: string }): JsonValue {
  const digits = context?.source ?? "";
  if (typeof value === "number" && /^-?\d+$/.test(digits) && BigInt(value) !== BigInt(digits)) {
    throw new RangeError(`the number ${digits} is too large to be exact`);
  }
  return value;
}

function asObject(value: JsonValue | undefined, what: string): JsonObject {
  if (isObject(value)) return value;
  throw new TypeError(`${what} is no object`);
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refuse(field: string): never {
  throw new TypeError(`${field} is unknown`);
}

/** JSON with the names of objects in order, so that equal values have equal texts. */
function canonical(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`;
}
