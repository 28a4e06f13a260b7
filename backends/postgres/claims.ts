/** Claims, the end of leases, and what a queue holds when those are ended. @module */

import { randomId } from "../../src/ids.ts";
import type { Delivery, QueueStats } from "../../src/storage/backend.ts";
import type { PreparedClaim } from "../../src/storage/batch.ts";
import { deferred } from "../../src/storage/es2024.ts";
import { type Key, prefixRange } from "../../src/storage/key.ts";
import { UnderWay } from "../../src/storage/under_way.ts";
import { parseValue, readDeliveries } from "../../src/storage/value_text.ts";
import type { Connection } from "./connection.ts";
import type { Row } from "./driver.ts";
import { QueueFloors } from "./floors.ts";
import type { QueueNumbers } from "./queues.ts";
import type { Statements } from "./statements.ts";
import { arrayLiteral, unescapeText } from "./text.ts";

/** A claim that waits for its round trip. */
export interface ClaimCall {
  readonly key: Key;
  readonly claim: PreparedClaim;
}

/** What claims work with. */
export interface ClaimsParts {
  readonly connection: Connection;
  readonly statements: Statements;
  readonly queues: QueueNumbers;
  readonly namespace: string;
  /** Until when a call made now may take. */
  readonly deadline: () => number;
}

// Messages that another one takes at the same moment are passed over; so often a claim that got none looks again.
const MAX_LOOKS = 5;

/** The most messages of one statement; its deliveries are numbered within 1024. */
const MAX_TOGETHER = 1000;

/**
 * One transaction moves so many messages that are due, and ends so many leases, for which all who use the queue wait.
 */
const MAX_SETTLED = 2000;

/** The claims of one namespace. */
export class Claims {
  readonly #parts: ClaimsParts;
  readonly #floors = new QueueFloors();
  readonly #apart = new UnderWay();
  /** By the numbers of queues, what is being settled for claims of this process. */
  readonly #settling = new Map<number, Promise<unknown>>();

  /** Made of these parts. */
  constructor(parts: ClaimsParts) {
    this.#parts = parts;
  }

  /**
   * Makes claims; those that are for the same queue and time are one statement. Resolves without those that have
   * something to settle first, which may take long: others need not wait for them.
   */
  async run(calls: readonly ClaimCall[], deadlineMs: number): Promise<(Delivery[] | Promise<Delivery[]>)[]> {
    const outcomes: (Delivery[] | Promise<Delivery[]>)[] = calls.map(() => []);
    await Promise.all(
      groupsOf(calls).map((group) => {
        const settling = deferred<void>();
        const claiming = this.#apart.run(() => this.#claim(group.claim, group.limit, deadlineMs, settling.resolve));
        let start = 0;
        for (const [index, { claim, key }] of group.calls) {
          const from = start;
          start += claim.limit;
          const outcome = claiming.then((rows) =>
            readDeliveries(rows.slice(from, from + claim.limit), (row) => toDelivery(row, key))
          );
          outcome.catch(() => {}); // it may be over before the others are
          outcomes[index] = outcome;
        }
        return Promise.race([claiming.then(() => {}, () => {}), settling.promise]);
      }),
    );
    return outcomes;
  }

  /** Resolves once none is under way. */
  drain(): Promise<void> {
    return this.#apart.drain();
  }

  /** Ends the expired leases of a queue, and puts what is due into the line; tells how many leases those were. */
  async recover(name: string): Promise<number> {
    const queue = await this.#look(name);
    return queue?.due === true ? await this.#settle(Number(queue.num)) : 0;
  }

  /** The same in all queues. */
  async recoverAll(): Promise<number> {
    const { connection, statements, namespace, deadline } = this.#parts;
    const { from, to } = prefixRange([]);
    const rows = await connection.read(
      deadline(),
      (session) => session.query(statements.queuesWithExpired, [namespace + from, namespace + to]),
    );
    let recovered = 0;
    for (const { num } of rows) recovered += await this.#settle(Number(num));
    return recovered;
  }

  /** The number of a queue in which nothing is due any more; `null` where there is no such queue. */
  async settled(name: string): Promise<number | null> {
    const queue = await this.#look(name);
    if (queue?.due === true) await this.#settle(Number(queue.num));
    return queue ? Number(queue.num) : null;
  }

  /** How many messages a queue holds once nothing is due any more. */
  async stats(name: string): Promise<QueueStats> {
    const { connection, statements, namespace, deadline } = this.#parts;
    const count = () => connection.read(deadline(), (session) => session.query(statements.stats, [namespace + name]));
    let [row] = await count();
    if (typeof row?.next === "number" && row.next <= 0) {
      await this.#settle(Number(row.num));
      [row] = await count();
    }
    return {
      ready: Number(row?.ready ?? 0),
      delayed: Number(row?.delayed ?? 0),
      leased: Number(row?.leased ?? 0),
      dead: Number(row?.dead ?? 0),
      nextDueInMs: typeof row?.next === "number" ? Math.max(row.next, 0) : null,
    };
  }

  async #claim(
    { queue, leaseMs }: PreparedClaim,
    limit: number,
    deadlineMs: number,
    onSettling: () => void,
  ): Promise<Row[]> {
    const { connection, statements } = this.#parts;
    let endMs = deadlineMs; // counts anew from each step that has got something done
    for (let looks = 1;; looks++) {
      const num = await this.#numberOf(queue, endMs);
      if (num === null) return [];
      const floors = this.#floors.of(num, looks > 1);
      const { promotions, dueAt } = floors;
      const rows = await connection.write(
        endMs,
        (session) =>
          session.query(statements.claim, [num, limit, leaseMs, randomId(), arrayLiteral(dueAt), promotions]),
      );
      this.#floors.learn(num, floors, rows);
      const [first] = rows;
      if (first?.due === true) {
        onSettling();
        await this.#settleTogether(num);
        endMs = this.#parts.deadline();
      } else if (typeof first?.id === "string") return [...rows];
      else if (first?.there !== true) this.#parts.queues.forget(queue); // it may have been made anew
      else if (first.ready !== true) return [];
      if (looks >= MAX_LOOKS) return [];
    }
  }

  /** Settles a queue, once for all claims that find it so. */
  async #settleTogether(num: number): Promise<void> {
    let settling = this.#settling.get(num);
    if (!settling) {
      settling = this.#settle(num).finally(() => this.#settling.delete(num));
      this.#settling.set(num, settling);
    }
    await settling;
  }

  /** Settles a queue step by step, each of which has its own time, and tells how many leases were ended. */
  async #settle(num: number): Promise<number> {
    const { connection, statements, deadline } = this.#parts;
    const lock = arrayLiteral([num]);
    let [dueFrom, expiredFrom] = [0, 0];
    for (let leases = 0;;) {
      const [due, expired] = await connection.transaction(deadline(), () => Promise.resolve(), async (session) => {
        const [, [due], [expired]] = await Promise.all([
          session.query(statements.lockQueues, [lock]),
          session.query(statements.promote, [num, dueFrom, MAX_SETTLED]),
          session.query(statements.expire, [num, expiredFrom, MAX_SETTLED]),
        ]);
        return [due, expired];
      });
      leases += Number(expired?.moved);
      if (Number(due?.moved) < MAX_SETTLED && Number(expired?.moved) < MAX_SETTLED) return leases;
      dueFrom = Math.max(dueFrom, Number(due?.last));
      expiredFrom = Math.max(expiredFrom, Number(expired?.last));
    }
  }

  /**
   * The number of a queue, and whether something is due in it: not by what is remembered, for it may have been made
   * anew.
   */
  async #look(name: string): Promise<Row | undefined> {
    const { connection, statements, namespace, deadline } = this.#parts;
    const [row] = await connection.read(deadline(), (session) => session.query(statements.isDue, [namespace + name]));
    return row;
  }

  async #numberOf(name: string, deadlineMs: number): Promise<number | null> {
    const { connection, queues } = this.#parts;
    const known = queues.get(name);
    if (known !== undefined) return known;
    const found = await connection.read(deadlineMs, (session) => queues.find(session, [name]));
    return found.get(name) ?? null;
  }
}

/** Claims that are one statement, with their indices among all. */
interface ClaimGroup {
  readonly claim: PreparedClaim;
  readonly calls: (readonly [index: number, call: ClaimCall])[];
  limit: number;
}

/** Claims that are for the same queue and time, as many together as one statement takes. */
function groupsOf(calls: readonly ClaimCall[]): ClaimGroup[] {
  const groups: ClaimGroup[] = [];
  const open = new Map<string, ClaimGroup>();
  for (const [index, call] of calls.entries()) {
    const { claim } = call;
    const key = `${claim.leaseMs}:${claim.queue}`;
    const last = open.get(key);
    if (last && last.limit + claim.limit <= MAX_TOGETHER) {
      last.calls.push([index, call]);
      last.limit += claim.limit;
    } else {
      const group = { claim, calls: [[index, call] as const], limit: claim.limit };
      groups.push(group);
      open.set(key, group);
    }
  }
  return groups;
}

function toDelivery(row: Row, queue: Key): Delivery {
  const id = unescapeText(String(row.id));
  return {
    queue,
    id,
    token: String(row.token),
    value: parseValue(String(row.value), id),
    priority: Number(row.priority),
    attempt: Number(row.attempts),
    maxAttempts: Number(row.max_attempts),
    enqueuedAtMs: Number(row.enqueued_at),
    leaseExpiresAtMs: Number(row.due_at),
    ...(row.last_error !== null && { lastError: unescapeText(String(row.last_error)) }),
  };
}
