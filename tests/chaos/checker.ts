/** Checks the log of a chaos run against the promises; knows nothing of the implementation. @module */

import type { ChaosEvent } from "./chaos.ts";

/** What the run allowed. */
export interface ChaosRules {
  readonly leaseMs: number;
  readonly maxAttempts: number;
  /** How much later than its lease began a delivery may have been logged. */
  readonly logDelayMs: number;
}

/** What became of the messages. */
export interface ChaosReport {
  readonly sent: number;
  /** Whose acknowledgement was accepted, or may have been when its worker was killed. */
  readonly handled: number;
  readonly redelivered: number;
  readonly refusedAcks: number;
  /** Every promise that was broken. */
  readonly faults: readonly string[];
}

/** Reads all events of a run, in any order. */
export function checkChaos(events: readonly ChaosEvent[], rules: ChaosRules): ChaosReport {
  const byId = Map.groupBy(events, (event) => event.id);
  const faults: string[] = [];
  let sent = 0;
  let handled = 0;
  let redelivered = 0;
  let refusedAcks = 0;
  for (const [id, own] of byId) {
    const deliveries = own.flatMap((event) => event.type === "received" ? [event] : []);
    deliveries.sort((a, b) => a.attempt - b.attempt);
    const settled = own.filter((event) => event.type === "settled");
    const accepted = settled.filter((event) => event.accepted);
    // A worker that was killed while it settled took the answer with it.
    const unknown = own.filter((event) =>
      event.type === "settling" && !settled.some(({ attempt }) => attempt === event.attempt)
    );
    const last = deliveries.at(-1)?.attempt ?? 0;
    if (own.some((event) => event.type === "sent")) sent++;
    else faults.push(`${id} was delivered, and never sent`);
    if (accepted.length > 0 || unknown.length > 0) handled++;
    else faults.push(`${id} was lost`);
    if (accepted.length > 1) faults.push(`${id} was acknowledged ${accepted.length} times`);
    for (const { attempt } of accepted) {
      if (attempt < last) {
        faults.push(`${id}: the stale acknowledgement of delivery ${attempt} of ${last} was accepted`);
      }
    }
    if (last > rules.maxAttempts) faults.push(`${id} was delivered ${last} times`);
    deliveries.forEach(({ attempt, atMs }, index) => {
      const before = deliveries[index - 1];
      if (before === undefined) return;
      if (before.attempt === attempt) faults.push(`${id}: delivery ${attempt} was given twice`);
      const sinceMs = (atMs - before.atMs) / (attempt - before.attempt || 1);
      if (sinceMs < rules.leaseMs - rules.logDelayMs) {
        faults.push(`${id}: delivery ${attempt} came ${sinceMs} ms after the one before it, within its lease`);
      }
    });
    if (last > 1) redelivered++;
    refusedAcks += settled.length - accepted.length;
  }
  return { sent, handled, redelivered, refusedAcks, faults };
}
