/** Claims: those made at the same time go together, and those of several processes keep out of each other's way. @module */

import { systemClock } from "../../src/clock.ts";
import { BackendUnavailableError } from "../../src/errors.ts";
import { randomId } from "../../src/ids.ts";
import type { Delivery } from "../../src/storage/backend.ts";
import type { PreparedClaim } from "../../src/storage/batch.ts";
import { GroupCommit } from "../../src/storage/group_commit.ts";
import { decodeKey } from "../../src/storage/key.ts";
import { type IdEntry, type Message, piecesOf } from "./codec.ts";
import type { Parts } from "./commit.ts";
import { Draft } from "./draft.ts";
import type { Lines, Standing } from "./line.ts";
import type { Place } from "./layout.ts";
import type { Settler } from "./settle.ts";

/** A leased message whose value is still to be read. */
interface Leased {
  readonly queue: string;
  readonly token: string;
  readonly message: Message;
  readonly leaseExpiresAtMs: number;
}

interface Call extends PreparedClaim {
  readonly deadlineMs: number;
}

/** A claim on its way. */
interface Claiming {
  readonly call: Call;
  readonly leased: Leased[];
  error: Error | null;
  done: boolean;
}

// With the longest values and errors that stand in an entry, so many messages fit in one atomic.
const MESSAGES_AN_ATOMIC = 50;

// After a conflict with another process, for so long, claims do not begin at the head of the line, but somewhere near.
const CONTENDED_MS = 250;
const MAX_WINDOW = 400;

/** Claims messages. */
export class Claimer {
  readonly #parts: Parts;
  readonly #lines: Lines;
  readonly #settler: Settler;
  readonly #group: GroupCommit<Call, Leased[]>;
  #contendedUntilMs = -Infinity;
  #window = 0;

  /** Claims from the store that the parts belong to. */
  constructor(parts: Parts, lines: Lines, settler: Settler) {
    this.#parts = parts;
    this.#lines = lines;
    this.#settler = settler;
    this.#group = new GroupCommit({ flush: (calls) => this.#flush(calls), maxCalls: MESSAGES_AN_ATOMIC });
  }

  /** Leases the first messages of a line. */
  async claim(claim: PreparedClaim): Promise<Delivery[]> {
    const { engine, contents } = this.#parts;
    const leased = await this.#group.run({ ...claim, deadlineMs: engine.deadline() });
    const values = await contents.load(leased.map(({ message }) => message.content), engine.deadline());
    return leased.flatMap(({ queue, token, message, leaseExpiresAtMs }, index) => {
      const value = values[index];
      if (value === undefined) return []; // purged in this very moment
      const { id, priority, attempts, maxAttempts, enqueuedAtMs, lastError } = message;
      return [{
        queue: decodeKey(queue),
        id,
        token,
        value,
        priority,
        attempt: attempts,
        maxAttempts,
        enqueuedAtMs,
        leaseExpiresAtMs,
        ...(lastError !== null && { lastError }),
      }];
    });
  }

  /** Resolves once no claim is waiting or under way. */
  drain(): Promise<void> {
    return this.#group.drain();
  }

  async #flush(calls: readonly Call[]): Promise<(Leased[] | Error)[]> {
    const claims = calls.map((call): Claiming => ({ call, leased: [], error: null, done: false }));
    for (let conflicts = 0;;) {
      const open = claims.filter(({ done }) => !done);
      if (open.length === 0) break;
      const deadlineMs = Math.min(...open.map(({ call }) => call.deadlineMs));
      try {
        if (await this.#round(open, deadlineMs)) conflicts = 0;
        else if (++conflicts > 1) await this.#parts.engine.pause(conflicts, deadlineMs);
      } catch (error) {
        for (const claim of open) {
          claim.done = true;
          claim.error = error instanceof Error ? error : new Error(String(error));
        }
      }
    }
    // What was leased is delivered, whatever came after it.
    return claims.map(({ leased, error }) => error && leased.length === 0 ? error : leased);
  }

  /** Leases what fits in one atomic; `false` when another process was faster. */
  async #round(claims: readonly Claiming[], deadlineMs: number): Promise<boolean> {
    const { engine, layout, clock, ranks } = this.#parts;
    if (systemClock.now() >= deadlineMs) {
      throw new BackendUnavailableError("Cannot claim from Deno KV: the claims before this one took too long");
    }
    const draft = new Draft(layout, clock.now());
    const queues = await Promise.all([...Map.groupBy(claims, ({ call }) => call.queue)].map(async ([queue, queued]) => {
      const wanted = Math.min(MESSAGES_AN_ATOMIC, queued.reduce((sum, claim) => sum + missing(claim), 0));
      return { queued, wanted, standing: await this.#heads(queue, draft.nowMs, wanted, deadlineMs) };
    }));
    const committed: ((versionstamp: string) => void)[] = [];
    let room = MESSAGES_AN_ATOMIC;
    for (const { queued, wanted, standing } of queues) {
      let next = 0;
      for (const claim of queued) {
        const taken = standing.slice(next, next + Math.min(missing(claim), room));
        next += taken.length;
        room -= taken.length;
        const leases = taken.map((each) => this.#lease(draft, claim.call, each));
        committed.push((versionstamp) => {
          claim.leased.push(...leases.map((lease) => lease(versionstamp)));
          claim.done = missing(claim) === 0 || (next === standing.length && standing.length < wanted);
        });
      }
    }
    const versionstamp = draft.isEmpty ? "" : await engine.commit((atomic) => draft.build(atomic), deadlineMs);
    if (versionstamp === null) {
      this.#window = Math.min(2 * Math.max(this.#window, MESSAGES_AN_ATOMIC / 2), MAX_WINDOW);
      this.#contendedUntilMs = systemClock.now() + CONTENDED_MS;
      return false;
    }
    ranks.observe(versionstamp);
    for (const commit of committed) commit(versionstamp);
    return true;
  }

  /** The first messages of a line, or, where processes contend for them, some that are near. */
  async #heads(queue: string, nowMs: number, count: number, deadlineMs: number): Promise<Standing[]> {
    if (systemClock.now() > this.#contendedUntilMs) this.#window = 0;
    const read = () => this.#lines.due(queue, nowMs, count + this.#window, deadlineMs);
    const [due, expired, [leased]] = await Promise.all([
      read(),
      this.#lines.expired(queue, nowMs, 1, deadlineMs),
      this.#parts.engine.read([this.#parts.layout.counter(queue, "leased")], deadlineMs),
    ]);
    this.#parts.ranks.observe(leased?.versionstamp ?? null);
    const line = expired.length === 0 ? due : (await this.#settler.settle(queue, deadlineMs), await read());
    const start = Math.floor(Math.random() * (Math.max(line.length - count, 0) + 1));
    return this.#window === 0 ? line : line.slice(start, start + count);
  }

  #lease(
    draft: Draft,
    { queue, leaseMs }: PreparedClaim,
    { key, versionstamp, place, message: before }: Standing,
  ): (versionstamp: string) => Leased {
    const { ranks, leases } = this.#parts;
    const message: Message = { ...before, attempts: before.attempts + 1 };
    const leaseExpiresAtMs = draft.nowMs + leaseMs;
    const to: Place = { state: "leased", priority: message.priority, atMs: leaseExpiresAtMs, rank: ranks.next() };
    const token = randomId();
    const entry: IdEntry = {
      seenUntilMs: message.seenUntilMs,
      present: { place: to, token, pieces: piecesOf(message.content) },
    };
    // A message and its id always change together, so that checking the one is checking both.
    draft.check(`p${place.rank}`, key, versionstamp);
    draft.take(queue, place);
    draft.put(queue, to, message);
    draft.remember(queue, message.id, entry);
    return (versionstamp) => {
      leases.set(queue, message.id, { versionstamp, entry, message });
      return { queue, token, message, leaseExpiresAtMs };
    };
  }
}

/** How many messages a claim may still get. */
function missing({ call, leased }: Claiming): number {
  return call.limit - leased.length;
}
