/** Ends expired leases: their messages go back into the line, or to the dead when they have no attempt left. @module */

import { LEASE_EXPIRED_ERROR } from "../../src/storage/backend.ts";
import { groupBy } from "../../src/storage/es2024.ts";
import { type Bundle, countMessages } from "./bundle.ts";
import type { Message } from "./codec.ts";
import { Draft } from "./draft.ts";
import { compareByDelivery } from "./line.ts";
import type { Parts } from "./parts.ts";

// With bundles as large as they get, so many fit in one atomic, and what becomes of them.
const BUNDLES_AN_ATOMIC = 25;

/** Settles expired leases. */
export class Settler {
  readonly #parts: Parts;

  /** Settles those of the store that the parts belong to. */
  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Ends all expired leases of a queue, and tells how many they were. */
  async settle(queue: string, deadlineMs: number): Promise<number> {
    const { engine, layout, clock, lines, ranks, wakes } = this.#parts;
    let settled = 0;
    for (let conflicts = 0;;) {
      const nowMs = clock.now();
      const expired = await lines.expired(queue, nowMs, Math.min(BUNDLES_AN_ATOMIC, engine.maxChecks / 2), deadlineMs);
      if (expired.length === 0) return settled;
      const count = countMessages(expired);
      const [live] = await engine.read([layout.counter(queue, "live")], deadlineMs);
      // deno-coverage-ignore -- the compiler asks for it: one key was read
      ranks.observe(live?.versionstamp ?? null);
      const draft = new Draft(layout, ranks, nowMs);
      for (const bundles of byTime(expired)) this.#end(draft, queue, bundles);
      draft.topics.add(queue);
      wakes.post(draft);
      const versionstamp = await engine.tryCommit((atomic) => draft.build(atomic), deadlineMs);
      if (versionstamp === null) {
        // Somebody else has settled one of them.
        if (++conflicts > 1) await engine.pause(conflicts, deadlineMs);
        continue;
      }
      ranks.observe(versionstamp);
      wakes.wake(draft.topics);
      conflicts = 0;
      settled += count;
    }
  }

  /** Ends leases that ended at the same time, in the order of their delivery. */
  #end(draft: Draft, queue: string, bundles: readonly Bundle[]): void {
    const leased = bundles.flatMap((bundle) => bundle.messages.map((message) => ({ bundle, message })));
    for (const { bundle, message } of leased.sort((a, b) => compareByDelivery(a.message, b.message))) {
      draft.take(bundle, message);
      const ended: Message = { ...message, token: "", lastError: LEASE_EXPIRED_ERROR };
      const state = message.attempts >= message.maxAttempts ? "dead" : "ready";
      const { place } = draft.put(queue, { state, priority: message.priority, atMs: draft.nowMs }, ended);
      draft.remember(queue, message.id, { seenUntilMs: message.seenUntilMs, place });
    }
  }
}

function byTime(bundles: readonly Bundle[]): Iterable<readonly Bundle[]> {
  return groupBy(bundles, ({ place }) => place.atMs).values();
}
