/** What calls of a step come to, and how a unit of them is written and read. @module */

import { BackendCorruptError } from "../../../src/errors.ts";
import type { CommitResult } from "../../../src/storage/backend.ts";
import type { PreparedBatch } from "../../../src/storage/batch.ts";

/** A checked batch whose values are JSON text. */
export type TextBatch = PreparedBatch<string>;

/** A message as a claim gives it. */
export interface ClaimedMessage {
  readonly id: string;
  readonly message: string;
  readonly token: string;
  readonly leaseExpiresAtMs: number;
  readonly lastError: string | null;
}

/** The tokens of leased messages that a batch purges, by the index of the operation, as far as they are known. */
export type Tokens = ReadonlyMap<number, string>;

/** Nothing happened, since these operations purge messages that are leased by unknown tokens. */
export interface UnknownLeases {
  readonly batch: TextBatch;
  readonly tokens: Tokens | undefined;
  readonly unknown: readonly number[];
}

/**
 * What a call came to; `null`: a claim that is to be made again, as there is more to settle first than one script does.
 */
export type StepOutcome = CommitResult | UnknownLeases | readonly ClaimedMessage[] | null;

/** Whether an outcome is that of a claim. */
export function isClaimed(outcome: StepOutcome): outcome is readonly ClaimedMessage[] | null {
  return outcome === null || Array.isArray(outcome);
}

/** What a unit writes, and how its reply tells what its calls came to: `give(call, outcome)`. */
export interface Unit {
  write(args: string[]): void;
  read(reply: unknown, give: (call: number, outcome: StepOutcome) => void): void;
}

/** A reply that must be text. */
export function requireText(reply: unknown): string {
  if (typeof reply !== "string") throw unexpected(reply);
  return reply;
}

/** A reply that must be a list. */
export function requireList(reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) throw unexpected(reply);
  return reply;
}

/** The error for a reply that no script of this version gives. */
export function unexpected(reply: unknown): Error {
  return new BackendCorruptError(`Cannot read the server's reply: got ${typeof reply} where another type belongs`);
}
