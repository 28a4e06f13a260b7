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
  /** The number of its last change among those of its parent; 0 when it is not tracked. */
  readonly change: number;
}

/** How far the changes of a parent have got. */
export interface Feed {
  /** Differs when all that readers know is void. */
  readonly epoch: string;
  readonly last: number;
}

/** A message, as it is stored in a bundle. */
export interface Message {
  readonly id: string;
  readonly priority: number;
  readonly attempts: number;
  readonly maxAttempts: number;
  readonly enqueuedAtMs: number;
  /** Until when the queue remembers the id. */
  readonly seenUntilMs: number;
  readonly lastError: string | null;
  /** The token of its lease; empty when it is not leased. */
  readonly token: string;
  readonly content: Content;
}

/** What a queue knows of a message id. */
export interface IdEntry {
  readonly seenUntilMs: number;
  /** Where the message was put last; a claim takes it from there without a word. `null`: it has left the queue. */
  readonly place: Place | null;
}

/** What is stored for a record. */
export function encodeRecord({ expiresAtMs, content, change }: StoredRecord): unknown[] {
  return change === 0 ? [FORMAT, expiresAtMs, content] : [FORMAT, expiresAtMs, content, change];
}

/** The record that {@linkcode encodeRecord} stored. */
export function decodeRecord(stored: unknown): StoredRecord {
  const [expiresAtMs, content, change = 0] = open(stored);
  if (typeof expiresAtMs !== "number" || !isContent(content) || typeof change !== "number") throw damaged("record");
  return { expiresAtMs, content, change };
}

/** What is stored for a {@linkcode Feed}. */
export function encodeFeed({ epoch, last }: Feed): unknown[] {
  return [FORMAT, epoch, last];
}

/** The feed that {@linkcode encodeFeed} stored. */
export function decodeFeed(stored: unknown): Feed {
  const [epoch, last] = open(stored);
  if (typeof epoch !== "string" || typeof last !== "number") throw damaged("feed");
  return { epoch, last };
}

/** What is stored for a change: which record it is about, and whether that is gone. */
export function encodeChange(key: string, isDeletion: boolean): unknown[] {
  return [FORMAT, key, isDeletion];
}

/** The change that {@linkcode encodeChange} stored. */
export function decodeChange(stored: unknown): { readonly key: string; readonly isDeletion: boolean } {
  const [key, isDeletion] = open(stored);
  if (typeof key !== "string" || typeof isDeletion !== "boolean") throw damaged("change");
  return { key, isDeletion };
}

/** What is stored for a bundle of messages. */
export function encodeMessages(messages: readonly Message[]): unknown[] {
  return [FORMAT, ...messages.map(encodeMessage)];
}

/** The messages that {@linkcode encodeMessages} stored. */
export function decodeMessages(stored: unknown): Message[] {
  return open(stored).map(decodeMessage);
}

/** What is stored for a message id. */
export function encodeId({ seenUntilMs, place }: IdEntry): unknown[] {
  if (place === null) return [FORMAT, seenUntilMs];
  const { state, priority, atMs, rank } = place;
  return [FORMAT, seenUntilMs, state, priority, atMs, rank];
}

/** What {@linkcode encodeId} stored. */
export function decodeId(stored: unknown): IdEntry {
  const [seenUntilMs, state, priority, atMs, rank] = open(stored);
  if (typeof seenUntilMs !== "number") throw damaged("message id");
  if (state === undefined) return { seenUntilMs, place: null };
  if (!isState(state) || typeof priority !== "number" || typeof atMs !== "number" || typeof rank !== "string") {
    throw damaged("message id");
  }
  return { seenUntilMs, place: { state, priority, atMs, rank } };
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

function encodeMessage(message: Message): unknown[] {
  const { id, priority, attempts, maxAttempts, enqueuedAtMs, seenUntilMs, lastError, token, content } = message;
  return [id, priority, attempts, maxAttempts, enqueuedAtMs, seenUntilMs, lastError, token, content];
}

function decodeMessage(stored: unknown): Message {
  if (!Array.isArray(stored)) throw damaged("message");
  const [id, priority, attempts, maxAttempts, enqueuedAtMs, seenUntilMs, lastError, token, content]: unknown[] = stored;
  if (
    typeof id !== "string" || typeof priority !== "number" || typeof attempts !== "number" ||
    typeof maxAttempts !== "number" || typeof enqueuedAtMs !== "number" || typeof seenUntilMs !== "number" ||
    !(typeof lastError === "string" || lastError === null) || typeof token !== "string" || !isContent(content)
  ) throw damaged("message");
  return { id, priority, attempts, maxAttempts, enqueuedAtMs, seenUntilMs, lastError, token, content };
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
