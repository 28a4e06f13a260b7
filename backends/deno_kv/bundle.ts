/** Bundles: messages of one queue that became due together, stored as one entry. @module */

import type { MessageState } from "../../src/storage/backend.ts";
import { decodeMessages, type Message } from "./codec.ts";
import type { DenoKvEntry } from "./driver.ts";
import type { Place } from "./layout.ts";

/** Messages in the order of the line, all at one place. */
export interface Bundle {
  readonly queue: string;
  readonly place: Place;
  /** `null` as long as it is not committed. */
  readonly versionstamp: string | null;
  readonly messages: Message[];
}

// A bundle is written again when one of its messages leaves it. With this bound, a batch that takes messages out of a
// hundred bundles fits in one atomic.
const MAX_LENGTH = 4000;

// What a message takes beside its texts, about.
const OVERHEAD = 60;

/** Whether another message goes into a bundle. */
export function hasRoom({ messages }: Bundle, message: Message): boolean {
  return messages.reduce((length, each) => length + lengthOf(each), lengthOf(message)) <= MAX_LENGTH;
}

/** The bundle of a stored entry. */
export function toBundle(queue: string, state: MessageState, { key, value, versionstamp }: DenoKvEntry): Bundle {
  const messages = decodeMessages(value);
  // deno-coverage-ignore -- the compiler asks for it: a bundle has a first message
  const priority = messages[0]?.priority ?? 0;
  return { queue, place: { state, priority, atMs: Number(key[5]), rank: String(key[6]) }, versionstamp, messages };
}

/** How many messages bundles have. */
export function countMessages(bundles: readonly Bundle[]): number {
  return bundles.reduce((count, { messages }) => count + messages.length, 0);
}

function lengthOf({ id, lastError, token, content }: Message): number {
  return OVERHEAD + id.length + (lastError?.length ?? 0) + token.length + content.length;
}
