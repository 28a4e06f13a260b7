/** What is stored under the keys: arrays that begin with the format, so that a newer one is noticed. @module */

import { BackendCorruptError } from "../../src/errors.ts";
import type { MessageState } from "../../src/storage/backend.ts";
import { FORMAT, type Place } from "./layout.ts";

/** A value: JSON text where it is short, else the name of its pieces and how many they are. */
export type Content = string | Pieces;

/** The pieces of a long value. */
export type Pieces = readonly [name: string, count: number];

/** A stored record. */
export interface StoredRecord {
  readonly expiresAtMs: number;
  readonly content: Content;
}

/** A message, as it is stored at its place. */
export interface Message {
  readonly id: string;
  readonly priority: number;
  readonly attempts: number;
  readonly maxAttempts: number;
  readonly enqueuedAtMs: number;
  /** Until when the queue remembers the id. */
  readonly seenUntilMs: number;
  readonly lastError: string | null;
  readonly content: Content;
}

/** What a queue knows of a message id: where the message is, or only until when the id is remembered. */
export interface IdEntry {
  readonly seenUntilMs: number;
  readonly present: Present | null;
}

/** Where a message is, and what is needed to settle its lease or to remove it without reading it. */
export interface Present {
  readonly place: Place;
  /** The token of the lease; empty when there is none. */
  readonly token: string;
  readonly pieces: Pieces | null;
}

/** What is stored for a record. */
export function encodeRecord({ expiresAtMs, content }: StoredRecord): unknown[] {
  return [FORMAT, expiresAtMs, content];
}

/** The record that {@linkcode encodeRecord} stored. */
export function decodeRecord(stored: unknown): StoredRecord {
  const [expiresAtMs, content] = open(stored);
  if (typeof expiresAtMs !== "number" || !isContent(content)) throw damaged("record");
  return { expiresAtMs, content };
}

/** What is stored for a message. */
export function encodeMessage(message: Message): unknown[] {
  const { id, priority, attempts, maxAttempts, enqueuedAtMs, seenUntilMs, lastError, content } = message;
  return [FORMAT, id, priority, attempts, maxAttempts, enqueuedAtMs, seenUntilMs, lastError, content];
}

/** The message that {@linkcode encodeMessage} stored. */
export function decodeMessage(stored: unknown): Message {
  const [id, priority, attempts, maxAttempts, enqueuedAtMs, seenUntilMs, lastError, content] = open(stored);
  if (
    typeof id !== "string" || typeof priority !== "number" || typeof attempts !== "number" ||
    typeof maxAttempts !== "number" || typeof enqueuedAtMs !== "number" || typeof seenUntilMs !== "number" ||
    !(typeof lastError === "string" || lastError === null) || !isContent(content)
  ) throw damaged("message");
  return { id, priority, attempts, maxAttempts, enqueuedAtMs, seenUntilMs, lastError, content };
}

/** What is stored for a message id. */
export function encodeId({ seenUntilMs, present }: IdEntry): unknown[] {
  if (present === null) return [FORMAT, seenUntilMs];
  const { place: { state, priority, atMs, rank }, token, pieces } = present;
  return [FORMAT, seenUntilMs, state, priority, atMs, rank, token, pieces];
}

/** What {@linkcode encodeId} stored. */
export function decodeId(stored: unknown): IdEntry {
  const [seenUntilMs, state, priority, atMs, rank, token, pieces = null] = open(stored);
  if (typeof seenUntilMs !== "number") throw damaged("message id");
  if (state === undefined) return { seenUntilMs, present: null };
  if (
    !isState(state) || typeof priority !== "number" || typeof atMs !== "number" || typeof rank !== "string" ||
    typeof token !== "string" || !(pieces === null || isPieces(pieces))
  ) throw damaged("message id");
  return { seenUntilMs, present: { place: { state, priority, atMs, rank }, token, pieces } };
}

/** What is stored for a note of pieces that are to be deleted. */
export function encodeNote(atMs: number, pieces: readonly Pieces[]): unknown[] {
  return [FORMAT, atMs, pieces];
}

/** The note that {@linkcode encodeNote} stored. */
export function decodeNote(stored: unknown): { readonly atMs: number; readonly pieces: readonly Pieces[] } {
  const [atMs, pieces] = open(stored);
  if (typeof atMs !== "number" || !Array.isArray(pieces) || !pieces.every(isPieces)) throw damaged("note");
  return { atMs, pieces };
}

/** What is stored for the topics that an instance woke last, and for how many it has woken. */
export function encodeBulletin(count: number, topics: readonly string[]): unknown[] {
  return [FORMAT, count, topics];
}

/** The bulletin that {@linkcode encodeBulletin} stored. */
export function decodeBulletin(stored: unknown): { readonly count: number; readonly topics: readonly string[] } {
  const [count, topics] = open(stored);
  if (typeof count !== "number" || !Array.isArray(topics)) throw damaged("bulletin");
  return { count, topics: topics.map(String) };
}

/** The pieces of a content, if it has any. */
export function piecesOf(content: Content): Pieces | null {
  return typeof content === "string" ? null : content;
}

function open(stored: unknown): unknown[] {
  if (!Array.isArray(stored) || stored[0] !== FORMAT) throw damaged("entry");
  return stored.slice(1);
}

function isContent(content: unknown): content is Content {
  return typeof content === "string" || isPieces(content);
}

function isPieces(pieces: unknown): pieces is Pieces {
  return Array.isArray(pieces) && typeof pieces[0] === "string" && typeof pieces[1] === "number";
}

function isState(state: unknown): state is MessageState {
  return state === "ready" || state === "delayed" || state === "leased" || state === "dead";
}

function damaged(what: string): BackendCorruptError {
  return new BackendCorruptError(`Cannot read from Deno KV: it holds a ${what} that this version cannot read`);
}
