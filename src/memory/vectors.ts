/** Vectors: checked, of length 1, and as text in a record. @module */

import { typeName } from "../check.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";

/**
 * A vector of length 1 in the direction of what an embedder gave; all zeros stay zeros.
 *
 * @throws {TypeError | RangeError} When it is no vector of `dimensions` finite numbers.
 */
export function toUnitVector(given: unknown, dimensions: number): Float32Array {
  if (!isArrayLike(given)) {
    throw new TypeError(`Cannot use the embedding: it must be a list of numbers, got ${typeName(given)}`);
  }
  if (given.length !== dimensions) {
    throw new RangeError(`Cannot use the embedding: it must have ${dimensions} numbers, got ${given.length}`);
  }
  const vector = new Float32Array(dimensions);
  let sumOfSquares = 0;
  for (let index = 0; index < dimensions; index++) {
    const number = given[index];
    if (typeof number !== "number" || !Number.isFinite(number)) {
      throw new TypeError(`Cannot use the embedding: number ${index} must be finite, got ${String(number)}`);
    }
    vector[index] = number;
    sumOfSquares += number * number;
  }
  const length = Math.sqrt(sumOfSquares) || 1;
  return vector.map((number) => number / length);
}

/** A vector as text: little-endian 32-bit floats in base64. */
export function encodeVector(vector: Float32Array): string {
  const view = new DataView(new ArrayBuffer(4 * vector.length));
  for (const [index, number] of vector.entries()) view.setFloat32(4 * index, number, true);
  return encodeBase64(new Uint8Array(view.buffer));
}

/** The vector that a text stands for. */
export function decodeVector(text: string): Float32Array {
  const view = new DataView(decodeBase64(text).buffer);
  return Float32Array.from({ length: view.byteLength / 4 }, (_, index) => view.getFloat32(4 * index, true));
}

function isArrayLike(value: unknown): value is ArrayLike<unknown> {
  return typeof value === "object" && value !== null && "length" in value && typeof value.length === "number";
}
