/** What engines ask of the calls of a group commit: until when they wait, and what they weigh. @module */

import type { PreparedBatch } from "./batch.ts";

/** The first to come is the first whose time is over; with it, the whole round trip is given up. */
export function deadlineOf([first]: readonly { readonly deadlineMs: number }[]): number {
  // deno-coverage-ignore -- the compiler asks for it: a group has a first call
  return first?.deadlineMs ?? 0;
}

/** The length of a batch as text, of which each operation takes so much beside its value. */
export function batchLength({ operations }: PreparedBatch<string>, operationLength: number): number {
  let length = 0;
  for (const operation of operations) {
    length += operationLength + ("value" in operation ? operation.value.length : 0);
  }
  return length;
}
