/** How an entry is stored: as a record with a format version, its value compressed where that is large. @module */

import { BackendCorruptError } from "../errors.ts";
import { encodeJson, type JsonObject, type JsonValue } from "../storage/json.ts";
import { compress, decompress } from "./compression.ts";
import { decodeVector, encodeVector } from "./vectors.ts";

/** An entry as it is stored, but for its key. */
export interface StoredEntry {
  readonly value: JsonValue;
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** Tells apart what a process wrote in the same millisecond. */
  readonly sequence: number;
  /** The conversation that was given, `null` for none; `undefined` when the key says it. */
  readonly session?: string | null;
  /** Its place in the conversation, if one was given. */
  readonly order?: number;
  readonly vector?: Float32Array;
}

const FORMAT = 1;

/**
 * The record of an entry. Values of more than `compressAbove` characters of JSON are compressed where that saves
 * something.
 *
 * @throws {TypeError} When JSON cannot carry the value.
 */
export async function encodeEntry(entry: StoredEntry, compressAbove: number): Promise<JsonObject> {
  const { createdAtMs, updatedAtMs, sequence, session, order, vector } = entry;
  return {
    v: FORMAT,
    ...await encodeValue(entry.value, compressAbove),
    createdAtMs,
    updatedAtMs,
    sequence,
    ...(session !== undefined && { session }),
    ...(order !== undefined && { order }),
    ...(vector && { vector: encodeVector(vector) }),
  };
}

/**
 * The entry of a record.
 *
 * @throws {BackendCorruptError} When the record is none of ours, or of a newer format.
 */
export async function decodeEntry(record: JsonValue): Promise<StoredEntry> {
  const fields = requireFormat(record);
  const { createdAtMs, updatedAtMs, sequence, session, order, vector } = fields;
  if (typeof createdAtMs !== "number" || typeof updatedAtMs !== "number" || typeof sequence !== "number") {
    throw new BackendCorruptError("Cannot read the memory: a record has no times");
  }
  return {
    value: await decodeValue(fields),
    createdAtMs,
    updatedAtMs,
    sequence,
    ...(session === null || typeof session === "string" ? { session } : {}),
    ...(typeof order === "number" && { order }),
    ...(typeof vector === "string" && { vector: await intact(() => decodeVector(vector)) }),
  };
}

/** Passes over a record that cannot be read: one that somebody else put there must not be the end for all others. */
export function nullIfCorrupt(error: unknown): null {
  if (error instanceof BackendCorruptError) return null;
  throw error;
}

/** A value as fields of a record: `value`, or `packed` where it is compressed. */
export async function encodeValue(value: JsonValue, compressAbove: number): Promise<JsonObject> {
  const text = encodeJson(value);
  if (text.length <= compressAbove) return { value };
  const packed = await compress(text);
  return packed.length < text.length ? { packed } : { value };
}

/** The value that {@linkcode encodeValue} made fields of. */
export async function decodeValue({ value, packed }: JsonObject): Promise<JsonValue> {
  if (typeof packed === "string") return await intact(async () => JSON.parse(await decompress(packed)));
  if (value === undefined) throw new BackendCorruptError("Cannot read the memory: a record has no value");
  return value;
}

/** The fields of a record of a known format. */
export function requireFormat(record: JsonValue): JsonObject {
  if (typeof record !== "object" || record === null || !("v" in record) || record.v !== FORMAT) {
    throw new BackendCorruptError("Cannot read the memory: a record has an unknown format");
  }
  return record;
}

/** What `read` gives; whatever it throws says that the record is damaged. */
async function intact<Result>(read: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await read();
  } catch (cause) {
    throw new BackendCorruptError("Cannot read the memory: a record is damaged", { cause });
  }
}
