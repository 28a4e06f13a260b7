/** Claims of one queue. @module */

import type { PreparedClaim } from "../../../src/storage/batch.ts";
import { tokenLength } from "../stored.ts";
import { type ClaimedMessage, requireList, requireText, type StepOutcome, type Unit } from "./unit.ts";

/** Claims of one queue with one length of lease: what comes is shared out in the order of the calls. */
export class Claim implements Unit {
  readonly #claim: PreparedClaim;
  readonly #shares: { readonly call: number; readonly limit: number }[] = [];
  #limit = 0;

  constructor(claim: PreparedClaim) {
    this.#claim = claim;
  }

  add(call: number, limit: number): void {
    this.#shares.push({ call, limit });
    this.#limit += limit;
  }

  write(args: string[]): void {
    args.push("claim", this.#claim.queue, String(Math.ceil(this.#claim.leaseMs)), String(this.#limit));
  }

  read(reply: unknown, give: (call: number, outcome: StepOutcome) => void): void {
    const messages = reply === null ? null : readClaimed(requireList(reply));
    let start = 0;
    for (const { call, limit } of this.#shares) {
      give(call, messages && messages.slice(start, start + limit));
      start += limit;
    }
  }
}

/** When the leases end, how many there are; name and message of each; index and error of those that have one. */
function readClaimed([endsAtMs, count, ...rest]: readonly unknown[]): ClaimedMessage[] {
  if (endsAtMs === undefined) return [];
  const leaseExpiresAtMs = Number(endsAtMs);
  const size = 2 * Number(count);
  const errors = new Map<number, string>();
  for (let at = size; at < rest.length; at += 2) errors.set(Number(rest[at]), requireText(rest[at + 1]));
  const messages: ClaimedMessage[] = [];
  for (let at = 0; at < size; at += 2) {
    const name = requireText(rest[at]);
    const end = tokenLength(name);
    messages.push({
      id: name.slice(end),
      message: requireText(rest[at + 1]),
      token: name.slice(0, end),
      leaseExpiresAtMs,
      lastError: errors.get(at / 2) ?? null,
    });
  }
  return messages;
}
