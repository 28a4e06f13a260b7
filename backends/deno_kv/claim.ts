/** Claims: those made at once go together, and those of several processes keep out of each other's way. @module */

import { monotonicMs, systemClock } from "../../src/clock.ts";
import { asError, BackendCorruptError, BackendUnavailableError } from "../../src/errors.ts";
import type { Delivery } from "../../src/storage/backend.ts";
import type { PreparedClaim } from "../../src/storage/batch.ts";
import { groupBy } from "../../src/storage/es2024.ts";
import { GroupCommit } from "../../src/storage/group_commit.ts";
import { decodeKey } from "../../src/storage/key.ts";
import type { Bundle } from "./bundle.ts";
import type { Message } from "./codec.ts";
import { Draft } from "./draft.ts";
import { compareInLine, type Head } from "./line.ts";
import type { Parts } from "./parts.ts";
import type { Settler } from "./settle.ts";
import type { Whereabouts } from "./view.ts";

/** A leased message whose value is still to be read. */
interface Leased {
  readonly queue: string;
  /** Where it stood in line. */
  readonly bundle: Bundle;
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

// After a conflict with another process, for so long, claims do not begin at the head of the line, but somewhere near,
// among what has the same priority.
const CONTENDED_MS = 250;
const MAX_WINDOW = 400;

/** Claims messages. */
export class Claimer {
  readonly #parts: Parts;
  readonly #settler: Settler;
  readonly #group: GroupCommit<Call, Leased[]>;
  #contendedUntilMs = -Infinity;
  #window = 0;

  /** Claims from the store that the parts belong to. */
  constructor(parts: Parts, settler: Settler) {
    this.#parts = parts;
    this.#settler = settler;
    this.#group = new GroupCommit({ flush: (calls) => this.#flush(calls), maxCalls: MESSAGES_AN_ATOMIC });
  }

  /** Leases the first messages of a line. */
  async claim(claim: PreparedClaim): Promise<Delivery[]> {
    const { engine, contents } = this.#parts;
    const deadlineMs = engine.deadline();
    const leased = await this.#group.run({ ...claim, deadlineMs });
    const values = await contents.load(leased.map(({ message }) => message.content), deadlineMs);
    return leased.flatMap(({ queue, message, leaseExpiresAtMs }, index) => {
      const value = values[index];
      if (value === undefined) return []; // purged in this very moment
      const { id, token, priority, attempts, maxAttempts, enqueuedAtMs, lastError } = message;
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

  async #flush(calls: readonly Call[]): Promise<(Leased[] | Error)[]> {
    const claims = calls.map((call): Claiming => ({ call, leased: [], error: null, done: false }));
    await this.#serve(claims);
    // What was leased is delivered, whatever came after it; in line, of which it was taken in pieces.
    const inLine = (leased: Leased[]) => leased.sort((a, b) => compareInLine(a.bundle, b.bundle));
    return claims.map(({ leased, error }) => error && leased.length === 0 ? error : inLine(leased));
  }

  async #serve(claims: readonly Claiming[]): Promise<void> {
    for (let conflicts = 0;;) {
      const open = claims.filter(({ done }) => !done);
      if (open.length === 0) return;
      const deadlineMs = Math.min(...open.map(({ call }) => call.deadlineMs));
      try {
        if (await this.#round(open, deadlineMs)) conflicts = 0;
        else if (++conflicts > 1) await this.#parts.engine.pause(conflicts, deadlineMs);
      } catch (error) {
        if (open.length > 1 && error instanceof BackendCorruptError) {
          // One of the queues is damaged: the others are served without it.
          for (const claim of open) await this.#serve([claim]);
          return;
        }
        for (const claim of open) {
          claim.done = true;
          claim.error = asError(error);
        }
      }
    }
  }

  /** Leases what fits in one atomic; `false` when another process was faster. */
  async #round(claims: readonly Claiming[], deadlineMs: number): Promise<boolean> {
    const { engine, layout, clock, ranks } = this.#parts;
    if (monotonicMs(systemClock) >= deadlineMs) {
      throw new BackendUnavailableError("Cannot claim from Deno KV: the claims before this one took too long");
    }
    const draft = new Draft(layout, ranks, clock.now());
    const queues = await Promise.all([...groupBy(claims, ({ call }) => call.queue)].map(async ([queue, queued]) => {
      const wanted = Math.min(MESSAGES_AN_ATOMIC, queued.reduce((sum, claim) => sum + missing(claim), 0));
      return { queued, head: await this.#head(queue, draft.nowMs, wanted, deadlineMs) };
    }));
    const committed: (() => void)[] = [];
    let room = MESSAGES_AN_ATOMIC;
    let roomForChecks = engine.maxChecks;
    for (const { queued, head: { bundles, isAll } } of queues) {
      const near = bundles.slice(0, roomForChecks);
      roomForChecks -= near.length;
      const line = near.flatMap((bundle) => bundle.messages.map((message) => ({ bundle, message })));
      let next = 0;
      for (const claim of queued) {
        const taken = line.slice(next, next + Math.min(missing(claim), room));
        next += taken.length;
        room -= taken.length;
        const leased = taken.map((each) => this.#lease(draft, claim.call, each));
        const isLast = isAll && near.length === bundles.length && next === line.length;
        committed.push(() => {
          claim.leased.push(...leased);
          claim.done = isLast || missing(claim) === 0;
        });
      }
    }
    const versionstamp = draft.isEmpty ? "" : await engine.tryCommit((atomic) => draft.build(atomic), deadlineMs);
    if (versionstamp === null) {
      this.#window = Math.min(2 * Math.max(this.#window, MESSAGES_AN_ATOMIC / 2), MAX_WINDOW);
      this.#contendedUntilMs = monotonicMs(systemClock) + CONTENDED_MS;
      return false;
    }
    ranks.observe(versionstamp);
    for (const commit of committed) commit();
    return true;
  }

  /** The first bundles of a line, or, where processes contend for them, some that are near. */
  async #head(queue: string, nowMs: number, count: number, deadlineMs: number): Promise<Head> {
    const { engine, layout, lines, ranks } = this.#parts;
    if (monotonicMs(systemClock) > this.#contendedUntilMs) this.#window = 0;
    const read = () => lines.due(queue, nowMs, count + this.#window, deadlineMs);
    const [due, expired, [leased]] = await Promise.all([
      read(),
      lines.expired(queue, nowMs, 1, deadlineMs),
      engine.read([layout.counter(queue, "leased")], deadlineMs),
    ]);
    ranks.observe(leased?.versionstamp ?? null);
    if (expired.length > 0) await this.#settler.settle(queue, deadlineMs);
    const head = expired.length > 0 ? await read() : due;
    if (this.#window === 0 || head.bundles.length < 2) return head;
    const [first] = head.bundles;
    const alike = head.bundles.filter(({ place }) => place.priority === first?.place.priority);
    return { bundles: alike.slice(Math.floor(Math.random() * alike.length)), isAll: false };
  }

  #lease(draft: Draft, { queue, leaseMs }: PreparedClaim, { bundle, message: before }: Whereabouts): Leased {
    draft.take(bundle, before);
    const to = { state: "leased", priority: before.priority, atMs: draft.nowMs + leaseMs } as const;
    const message = draft.lease(queue, to, { ...before, attempts: before.attempts + 1 });
    return { queue, bundle, message, leaseExpiresAtMs: to.atMs };
  }
}

/** How many messages a claim may still get. */
function missing({ call, leased }: Claiming): number {
  return call.limit - leased.length;
}
