/** Ends expired leases: their messages go back into the line, or to the dead when they have no attempt left. @module */

import { LEASE_EXPIRED_ERROR } from "../../src/storage/backend.ts";
import { type IdEntry, type Message, piecesOf } from "./codec.ts";
import type { Parts } from "./commit.ts";
import { Draft } from "./draft.ts";
import type { Place } from "./layout.ts";
import type { Lines, Standing } from "./line.ts";

// With the longest values and errors that stand in an entry, so many messages fit in one atomic.
const MESSAGES_AN_ATOMIC = 50;

/** Settles expired leases. */
export class Settler {
  readonly #parts: Parts;
  readonly #lines: Lines;

  /** Settles those of the store that the parts belong to. */
  constructor(parts: Parts, lines: Lines) {
    this.#parts = parts;
    this.#lines = lines;
  }

  /** Ends all expired leases of a queue, and tells how many they were. */
  async settle(queue: string, deadlineMs: number): Promise<number> {
    const { engine, layout, clock, ranks, wakes } = this.#parts;
    let settled = 0;
    for (let conflicts = 0;;) {
      const nowMs = clock.now();
      const expired = await this.#lines.expired(queue, nowMs, MESSAGES_AN_ATOMIC, deadlineMs);
      if (expired.length === 0) return settled;
      const [live] = await engine.read([layout.counter(queue, "live")], deadlineMs);
      ranks.observe(live?.versionstamp ?? null);
      const draft = new Draft(layout, nowMs);
      for (const standing of expired) this.#end(draft, queue, standing);
      draft.topics.add(queue);
      wakes.post(draft);
      const versionstamp = await engine.commit((atomic) => draft.build(atomic), deadlineMs);
      if (versionstamp === null) {
        // Somebody else has settled one of them.
        if (++conflicts > 1) await engine.pause(conflicts, deadlineMs);
        continue;
      }
      ranks.observe(versionstamp);
      wakes.wake(draft.topics);
      conflicts = 0;
      settled += expired.length;
    }
  }

  #end(draft: Draft, queue: string, { key, versionstamp, place, message: before }: Standing): void {
    const { ranks, leases } = this.#parts;
    const message: Message = { ...before, lastError: LEASE_EXPIRED_ERROR };
    const state = message.attempts >= message.maxAttempts ? "dead" : "ready";
    const to: Place = { state, priority: message.priority, atMs: draft.nowMs, rank: ranks.next() };
    const entry: IdEntry = {
      seenUntilMs: message.seenUntilMs,
      present: { place: to, token: "", pieces: piecesOf(message.content) },
    };
    draft.check(`p${place.rank}`, key, versionstamp);
    draft.take(queue, place);
    draft.put(queue, to, message);
    draft.remember(queue, message.id, entry);
    leases.delete(queue, message.id);
  }
}
