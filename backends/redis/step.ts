/** One round trip of many commits and claims: the arguments of the step script, and its replies. @module */

import type { PreparedClaim, PreparedEnqueue, PreparedLease } from "../../src/storage/batch.ts";
import { AckRun } from "./units/acks.ts";
import { AnyBatch } from "./units/any_batch.ts";
import { Claim } from "./units/claim.ts";
import { EnqueueRun, haveSameOptions } from "./units/enqueues.ts";
import type { StepOutcome, TextBatch, Tokens, Unit } from "./units/unit.ts";

/** A commit or a claim. */
export type StepCall =
  | { readonly type: "commit"; readonly batch: TextBatch; readonly tokens?: Tokens }
  | { readonly type: "claim"; readonly claim: PreparedClaim };

/**
 * Puts calls together into units: enqueues into one queue, acknowledgements in one queue and claims of one queue are a
 * unit each, however many callers they come from, so that the script does them with a handful of commands. Messages of
 * one queue stay in the order of their calls. Claims come last: what is acknowledged or sent with them makes room for
 * them.
 */
export class Step {
  readonly #units: Unit[] = [];
  readonly #count: number;

  /** Puts these calls together. */
  constructor(calls: readonly StepCall[]) {
    this.#count = calls.length;
    const enqueues = new Map<string, EnqueueRun>();
    const acks = new Map<string, AckRun>();
    const claims = new Map<string, Claim>();
    calls.forEach((call, index) => {
      if (call.type === "claim") {
        this.#addClaim(claims, call.claim, index);
        return;
      }
      const { batch } = call;
      const only = kindOfRun(batch);
      if (only === null) {
        this.#units.push(new AnyBatch(batch, index, call.tokens));
        // What is sent after a batch stands behind what the batch sends.
        enqueues.clear();
        acks.clear();
      } else if (batch.operations.length > 1) {
        this.#units.push(only === "enqueue" ? EnqueueRun.ofBatch(batch, index) : AckRun.ofBatch(batch, index));
        enqueues.clear();
      } else {
        const [operation] = batch.operations;
        if (operation?.type === "enqueue") this.#addEnqueue(enqueues, operation, index);
        else if (operation?.type === "ack") this.#addAck(acks, operation, index);
      }
    });
    this.#units.push(...claims.values());
  }

  /** What the script reads: a random text, which makes the tokens of leases hard to guess, and the units. */
  args(random: string): string[] {
    const args = [random];
    for (const unit of this.#units) unit.write(args);
    return args;
  }

  /** The outcome of each call, in their order. */
  outcomes(replies: readonly unknown[]): StepOutcome[] {
    const outcomes: StepOutcome[] = new Array(this.#count);
    this.#units.forEach((unit, index) => unit.read(replies[index], (call, outcome) => outcomes[call] = outcome));
    return outcomes;
  }

  #addEnqueue(runs: Map<string, EnqueueRun>, operation: PreparedEnqueue<string>, call: number): void {
    let run = runs.get(operation.queue);
    if (!run?.fits(operation)) {
      runs.set(operation.queue, run = new EnqueueRun(operation, null));
      this.#units.push(run);
    }
    run.add(operation, call);
  }

  #addAck(runs: Map<string, AckRun>, operation: PreparedLease, call: number): void {
    let run = runs.get(operation.queue);
    if (run === undefined) {
      runs.set(operation.queue, run = new AckRun(operation.queue, null));
      this.#units.push(run);
    }
    run.add(operation, call);
  }

  #addClaim(claims: Map<string, Claim>, claim: PreparedClaim, call: number): void {
    const name = `${claim.leaseMs} ${claim.queue}`;
    let unit = claims.get(name);
    if (unit === undefined) claims.set(name, unit = new Claim(claim));
    unit.add(call, claim.limit);
  }
}

/** Whether a server whose memory is full still does it: whatever begins with taking something away. */
export function needsNoMemory(call: StepCall): boolean {
  return call.type === "claim" || call.batch.operations.every(({ type }) => !NEED_MEMORY.includes(type));
}

const NEED_MEMORY: readonly string[] = ["set", "enqueue", "extend"];

/**
 * A batch that consists of enqueues with the same options, or of acknowledgements, in one queue, and of nothing else.
 */
function kindOfRun({ checks, operations, notify }: TextBatch): "enqueue" | "ack" | null {
  const [first] = operations;
  if (first === undefined || checks.length > 0 || notify.length > 0) return null;
  if (first.type === "enqueue") {
    for (const each of operations) if (each.type !== "enqueue" || !haveSameOptions(first, each)) return null;
    return "enqueue";
  }
  if (first.type !== "ack") return null;
  for (const each of operations) if (each.type !== "ack" || each.queue !== first.queue) return null;
  return "ack";
}
