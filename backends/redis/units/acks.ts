/** Acknowledgements in one queue, of one batch or of many calls. @module */

import type { Committed, Refused } from "../../../src/storage/backend.ts";
import type { PreparedLease } from "../../../src/storage/batch.ts";
import { isToken } from "../stored.ts";
import { requireText, type StepOutcome, type TextBatch, type Unit } from "./unit.ts";

const ACKNOWLEDGED: Committed = { committed: true, results: [{ type: "ack" }] };
const LEASE_LOST: Refused = { committed: false, reason: "lease_lost", index: 0 };

/** Acknowledgements of one batch, or of one call each. */
export class AckRun implements Unit {
  readonly #queue: string;
  readonly #batchCall: number | null;
  readonly #calls: number[] = [];
  readonly #pairs: string[] = [];

  constructor(queue: string, batchCall: number | null) {
    this.#queue = queue;
    this.#batchCall = batchCall;
  }

  static ofBatch({ operations }: TextBatch, call: number): AckRun {
    const acks = operations.filter((each) => each.type === "ack");
    // deno-coverage-ignore -- the compiler asks for it: a run begins with an operation
    const run = new AckRun(acks[0]?.queue ?? "", call);
    for (const each of acks) run.add(each, call);
    return run;
  }

  add({ id, token }: PreparedLease, call: number): void {
    this.#calls.push(call);
    // No lease has the name of nothing.
    this.#pairs.push(id, isToken(token) ? token + id : "");
  }

  write(args: string[]): void {
    args.push("acks", this.#batchCall !== null ? "1" : "0", String(this.#calls.length), this.#queue);
    for (const each of this.#pairs) args.push(each);
  }

  read(reply: unknown, give: (call: number, outcome: StepOutcome) => void): void {
    const flags = requireText(reply);
    if (this.#batchCall === null) {
      this.#calls.forEach((call, index) => give(call, flags[index] === "l" ? LEASE_LOST : ACKNOWLEDGED));
    } else if (flags.startsWith("!")) {
      give(this.#batchCall, { committed: false, reason: "lease_lost", index: Number(flags.slice(1)) });
    } else {
      give(this.#batchCall, { committed: true, results: this.#calls.map(() => ({ type: "ack" })) });
    }
  }
}
