/** Values longer than the engine's limit: stored in pieces, never cut, and never left behind. @module */

import { randomId } from "../../src/ids.ts";
import { ValueTooLargeError } from "../../src/errors.ts";
import { encodeJson, type JsonValue } from "../../src/storage/json.ts";
import { type Content, decodeNote, encodeNote, type Pieces, piecesOf } from "./codec.ts";
import type { DenoKvKey } from "./driver.ts";
import type { Engine } from "./engine.ts";
import type { Layout } from "./layout.ts";

/** The largest value: 16 MiB, in pieces. */
export const MAX_VALUE_BYTES: number = 16 * 1024 * 1024;

/** A value that is to be stored, with those of its pieces that are still to be written. */
export interface NewContent {
  readonly stored: Content;
  readonly pieces: readonly Uint8Array[];
}

/** A note of pieces that were written ahead of the commit that refers to them. */
export interface Note {
  readonly id: string;
  readonly versionstamp: string;
}

// Short values stand within their entries, which are written again at each change of state: a hundred such messages
// fit in one atomic, with two bytes a character and an error message each.
const MAX_INLINE_LENGTH = 1500;

const PIECE_BYTES = 60 * 1024;
const PIECES_AN_ATOMIC = 12;
const DELETES_AN_ATOMIC = 500;

// The engine deletes by its own clock; the margin keeps it from being ahead of the backend's.
const EXPIRY_MARGIN_MS = 60_000;

// No call lives so long: whoever wrote the note has ended without the commit.
const ORPHANED_AFTER_MS = 600_000;

/** What to store for a value. */
export function newContent(value: unknown, path: string): NewContent {
  const text = encodeJson(value, path);
  if (text.length <= MAX_INLINE_LENGTH) return { stored: text, pieces: [] };
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > MAX_VALUE_BYTES) throw new ValueTooLargeError(bytes.length, MAX_VALUE_BYTES);
  const pieces = chunked(bytes.length, PIECE_BYTES).map(([start, end]) => bytes.subarray(start, end));
  return { stored: [randomId(), pieces.length], pieces };
}

/** The bytes of the pieces that are still to be written. */
export function pieceBytes({ pieces }: NewContent): number {
  return pieces.reduce((bytes, piece) => bytes + piece.length, 0);
}

/** How long the engine is told to keep what expires; `null` for ever. */
export function expireIn(expiresInMs: number): number | null {
  return expiresInMs === Infinity ? null : Math.ceil(Math.max(expiresInMs, 0)) + EXPIRY_MARGIN_MS;
}

/** Reads, writes and deletes pieces. */
export class Contents {
  readonly #engine: Engine;
  readonly #layout: Layout;

  /** The contents of one store. */
  constructor(engine: Engine, layout: Layout) {
    this.#engine = engine;
    this.#layout = layout;
  }

  /** The values of contents; `undefined` for one whose pieces have been deleted in the meantime. */
  async load(contents: readonly Content[], deadlineMs: number): Promise<(JsonValue | undefined)[]> {
    const keys = contents.flatMap((content) => this.#keys(piecesOf(content)));
    const read = keys.length === 0 ? [] : await this.#engine.read(keys, deadlineMs);
    let next = 0;
    return contents.map((content) => {
      if (typeof content === "string") return JSON.parse(content);
      const pieces = read.slice(next, next += content[1]).map(({ value }) => value);
      return pieces.every((piece) => piece instanceof Uint8Array) ? join(pieces) : undefined;
    });
  }

  /**
   * Writes pieces ahead, where they are too many for the commit that refers to them. That commit has to check and to
   * delete the note. Without it they are deleted again: by {@linkcode drop} or, after a crash, by {@linkcode sweep}.
   */
  async writeAhead(
    contents: readonly { readonly content: NewContent; readonly expiresInMs: number }[],
    nowMs: number,
    deadlineMs: number,
  ): Promise<Note> {
    const id = randomId();
    const pieces = contents.map(({ content }) => piecesOf(content.stored)).filter((each) => each !== null);
    const note = encodeNote(nowMs, pieces);
    const versionstamp = await this.#engine.commit((atomic) => atomic.set(this.#layout.orphans(id), note), deadlineMs);
    // deno-coverage-ignore -- the compiler asks for it: only checks are refused
    if (versionstamp === null) throw new Error("Cannot write ahead: an atomic without checks was refused");
    const writes = contents.flatMap(({ content, expiresInMs }) =>
      this.#keys(piecesOf(content.stored)).map((key, index) => ({ key, piece: content.pieces[index], expiresInMs }))
    );
    for (const [start, end] of chunked(writes.length, PIECES_AN_ATOMIC)) {
      await this.#engine.commit((atomic) => {
        for (const { key, piece, expiresInMs } of writes.slice(start, end)) {
          const keepMs = expireIn(expiresInMs);
          atomic.set(key, piece, keepMs === null ? {} : { expireIn: keepMs });
        }
      }, deadlineMs);
    }
    return { id, versionstamp };
  }

  /** Deletes pieces, and then the note that tells of them. */
  async drop(noteId: string, all: readonly Pieces[], deadlineMs: number): Promise<void> {
    const keys = all.flatMap((pieces) => this.#keys(pieces));
    for (const [start, end] of chunked(keys.length, DELETES_AN_ATOMIC)) {
      await this.#engine.commit((atomic) => {
        for (const key of keys.slice(start, end)) atomic.delete(key);
      }, deadlineMs);
    }
    await this.#engine.commit((atomic) => atomic.delete(this.#layout.orphans(noteId)), deadlineMs);
  }

  /** Deletes what a crash has left behind. */
  async sweep(nowMs: number, deadlineMs: number): Promise<void> {
    const notes = await this.#engine.page(this.#layout.allOrphans(), { limit: 100 }, deadlineMs);
    for (const { key, value, versionstamp } of notes) {
      const { atMs, pieces } = decodeNote(value);
      if (nowMs - atMs < ORPHANED_AFTER_MS) continue;
      const id = String(key[2]);
      const noteKey = this.#layout.orphans(id);
      // The note gets a new version first: should its writer live after all, its commit is refused from here on.
      const taken = await this.#engine.commit((atomic) => {
        atomic.check({ key: noteKey, versionstamp });
        atomic.set(noteKey, encodeNote(nowMs, pieces));
      }, deadlineMs);
      if (taken !== null) await this.drop(id, pieces, deadlineMs);
    }
  }

  #keys(pieces: Pieces | null): DenoKvKey[] {
    if (pieces === null) return [];
    const [name, count] = pieces;
    return Array.from({ length: count }, (_, index) => this.#layout.piece(name, index));
  }
}

function join(pieces: readonly Uint8Array[]): JsonValue {
  const bytes = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let end = 0;
  for (const piece of pieces) {
    bytes.set(piece, end);
    end += piece.length;
  }
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** The bounds of chunks of at most `size` that cover `length`. */
function chunked(length: number, size: number): [start: number, end: number][] {
  return Array.from({ length: Math.ceil(length / size) }, (_, index) => [index * size, (index + 1) * size]);
}
