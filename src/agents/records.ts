/** The stored form of the registry's records, each with its format version: no other one is read. @module */

import { copyJson, type JsonObject, type JsonValue } from "../storage/json.ts";
import type { AgentEvent } from "./model.ts";

const FORMAT = 1;

/** A registered agent. */
export interface MemberRecord {
  readonly incarnation: number;
  /** The session whose heartbeats it lives by. */
  readonly session: string;
  readonly metadata: JsonObject;
  readonly status?: string;
  readonly registeredAt: string;
}

/** The stored form of a registered agent. */
export function encodeMember({ incarnation, session, metadata, status, registeredAt }: MemberRecord): JsonObject {
  return { v: FORMAT, incarnation, session, metadata, registeredAt, ...(status !== undefined && { status }) };
}

/** The registered agent of a stored form. */
export function decodeMember(value: JsonValue | undefined): MemberRecord | null {
  if (!isRecord(value)) return null;
  const { incarnation, session, metadata, status, registeredAt } = value;
  if (typeof incarnation !== "number" || typeof session !== "string" || !isObject(metadata)) return null;
  return {
    incarnation,
    session,
    metadata,
    registeredAt: typeof registeredAt === "string" ? registeredAt : "",
    ...(typeof status === "string" && { status }),
  };
}

/** What outlives an agent. */
export interface PastRecord {
  readonly incarnation: number;
  /** Absent when none was ever saved. */
  readonly state?: JsonValue;
}

/** The stored form of what outlives an agent. */
export function encodePast({ incarnation, state }: PastRecord): JsonObject {
  return { v: FORMAT, incarnation, ...(state !== undefined && { state }) };
}

/** What outlives an agent, of its stored form. */
export function decodePast(value: JsonValue | undefined): PastRecord | null {
  if (!isRecord(value) || typeof value.incarnation !== "number") return null;
  return { incarnation: value.incarnation, ...(value.state !== undefined && { state: value.state }) };
}

/** A session, with the times that it goes by: it may be another version's, or otherwise configured. */
export interface SessionRecord {
  /** How long after a heartbeat it counts as alive, an announced silence included. */
  readonly ttlMs: number;
  readonly suspicionMs: number;
}

/** The stored form of a session. */
export function encodeSession({ ttlMs, suspicionMs }: SessionRecord): JsonObject {
  return { v: FORMAT, ttlMs, suspicionMs };
}

/** The session of a stored form. */
export function decodeSession(value: JsonValue): SessionRecord | null {
  if (!isRecord(value)) return null;
  const { ttlMs, suspicionMs } = value;
  return typeof ttlMs === "number" && typeof suspicionMs === "number" ? { ttlMs, suspicionMs } : null;
}

/** An event that is told once in the whole fleet. */
export type LoggedEvent = Exclude<AgentEvent, { readonly type: "suspect" | "back" }>;

/** The stored form of an event. */
export function encodeEvent(event: LoggedEvent): JsonObject {
  return { v: FORMAT, event: copyJson(event, "event") };
}

/** The event of a stored form; one of a kind that this version does not know is skipped. */
export function decodeEvent(value: JsonValue): LoggedEvent | null {
  return isRecord(value) && isLoggedEvent(value.event) ? value.event : null;
}

/** The stored form of how far the log has come: the number of its last event. */
export function encodeHead(last: number): JsonObject {
  return { v: FORMAT, last };
}

/** The number of the log's last event. */
export function decodeHead(value: JsonValue | undefined): number {
  return isRecord(value) && typeof value.last === "number" ? value.last : 0;
}

function isLoggedEvent(value: JsonValue | undefined): value is JsonObject & LoggedEvent {
  if (!isObject(value)) return false;
  if (value.type === "expiry_held") return typeof value.agentType === "string";
  return typeof value.type === "string" && ["join", "leave", "death", "status"].includes(value.type) &&
    isObject(value.agentId) && typeof value.incarnation === "number";
}

function isRecord(value: JsonValue | undefined): value is JsonObject {
  return isObject(value) && value.v === FORMAT;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
