/** The messages of queues: every step of their life, inside of a transaction. @module */

import { randomId } from "../../src/ids.ts";
import { LEASE_EXPIRED_ERROR, type MessageState, type OperationResult } from "../../src/storage/backend.ts";
import type { PreparedEnqueue, PreparedLease } from "../../src/storage/batch.ts";
import { PLACE, placesOf, stateAt } from "../../src/storage/place.ts";
import type { Connection, Statement } from "./connection.ts";
import type { SqliteValue } from "./driver.ts";
import { Inserts } from "./inserts.ts";
import type { Queue, Queues } from "./queues.ts";
import { LEASE_TEN, MESSAGES } from "./statements.ts";
import { escapeText } from "./text.ts";

/** What decides about the next step of a message. */
export interface Standing {
  readonly num: number;
  readonly place: number;
  readonly priority: number;
  readonly attempts: number;
  readonly max_attempts: number;
}

/** A message of the line, as {@linkcode MESSAGES.line} gives it. */
type LineRow = readonly [
  num: number,
  id: string,
  value: string,
  priority: number,
  attempts: number,
  maxAttempts: number,
  enqueuedAtMs: number,
  lastError: string | null,
];

/** A message that was leased: a delivery, with its texts as they are stored. */
export interface Claimed {
  readonly id: string;
  readonly token: string;
  readonly value: string;
  readonly priority: number;
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly enqueuedAtMs: number;
  readonly leaseExpiresAtMs: number;
  readonly lastError: string | null;
}

/** A message with its place. */
export interface Stored extends Standing {
  readonly id: string;
  readonly value: string;
  readonly enqueued_at: number;
  readonly due_at: number;
  readonly sequence: number;
  readonly last_error: string | null;
}

/** How many messages were moved because they were due, and because their lease had expired. */
export interface Settled {
  readonly due: number;
  readonly expired: number;
}

// A lease is written from three values: its sequence, its secret and the message's number.
const LEASE_VALUES = 3;

// A token is a secret and the message's number, by which it is found without a look into the ids.
const SECRET_CHARACTERS = 22;

/** The messages of all queues. */
export class Messages {
  readonly #queues: Queues;
  readonly #inserts: Inserts;
  readonly #find: Statement<Standing>;
  readonly #leased: Statement<Standing>;
  readonly #ack: Statement;
  readonly #move: Statement;
  readonly #extend: Statement;
  readonly #delete: Statement;
  readonly #promote: Statement;
  readonly #expired: Statement<Standing>;
  readonly #line: (queue: number, limit: number) => LineRow[];
  readonly #lease: Statement;
  readonly #leaseTen: Statement;
  readonly #page: Statement<Stored>;

  /** Prepares what it needs. */
  constructor(connection: Connection, queues: Queues) {
    this.#queues = queues;
    this.#inserts = new Inserts(connection, queues);
    this.#find = connection.prepare(MESSAGES.find);
    this.#leased = connection.prepare(MESSAGES.leased);
    this.#ack = connection.prepare(MESSAGES.ack);
    this.#move = connection.prepare(MESSAGES.move);
    this.#extend = connection.prepare(MESSAGES.extend);
    this.#delete = connection.prepare(MESSAGES.delete);
    this.#promote = connection.prepare(MESSAGES.promote);
    this.#expired = connection.prepare(MESSAGES.expired);
    this.#line = connection.prepareArrays(MESSAGES.line);
    this.#lease = connection.prepare(MESSAGES.lease);
    this.#leaseTen = connection.prepare(LEASE_TEN);
    this.#page = connection.prepare(MESSAGES.page);
  }

  /** Adds a message, unless its id is known. What the result says is right once {@linkcode flush} was called. */
  enqueue(queue: Queue, operation: PreparedEnqueue<string>, now: number): OperationResult {
    return this.#inserts.add(queue, operation, now);
  }

  /** Whether the queue holds or remembers an id. */
  knows(queue: Queue, id: string, now: number): boolean {
    this.flush();
    return this.#inserts.knows(queue, id, now);
  }

  /**
   * Writes what was enqueued, before anything looks for it; tells how many messages that were since the transaction
   * began.
   */
  flush(): number {
    return this.#inserts.flush();
  }

  /** Forgets what was not written: the transaction has ended. */
  reset(): void {
    this.#inserts.reset();
  }

  /** The message with an id. */
  find(queue: Queue, id: string): Standing | undefined {
    this.flush();
    return this.#find.get(queue.num, escapeText(id));
  }

  /** The message of a live lease. */
  leased(queue: Queue, { id, token }: PreparedLease, now: number): Standing | undefined {
    return this.#leased.get(numberOf(token), secretOf(token), queue.num, escapeText(id), now);
  }

  /** Removes the message of a lease, and tells whether that was live. */
  ack(queue: Queue, { id, token }: PreparedLease, now: number): boolean {
    const { changes } = this.#ack.run(numberOf(token), secretOf(token), queue.num, escapeText(id), now);
    if (Number(changes) === 0) return false;
    this.#queues.move(queue, "leased", null);
    return true;
  }

  /** Puts a leased message into the line again, or to the dead when its attempts are used up. */
  retry(
    queue: Queue,
    message: Standing,
    delayMs: number,
    error: string | null,
    now: number,
  ): "ready" | "delayed" | "dead" {
    if (message.attempts >= message.max_attempts) {
      this.bury(queue, message, error, now);
      return "dead";
    }
    const place = delayMs > 0 ? PLACE.delayed : 9 - message.priority;
    this.#put(queue, message, place, now + delayMs, message.attempts, error);
    return delayMs > 0 ? "delayed" : "ready";
  }

  /** Puts a leased message to the dead. */
  bury(queue: Queue, message: Standing, error: string | null, now: number): void {
    this.#put(queue, message, PLACE.dead, now, message.attempts, error);
  }

  /** Moves the end of a lease. */
  extend(message: Standing, leaseExpiresAtMs: number): void {
    this.#extend.run(leaseExpiresAtMs, message.num);
  }

  /** Puts a message into the line again when it is dead, and tells whether it is. */
  redrive(queue: Queue, id: string, now: number): boolean {
    const message = this.find(queue, id);
    if (message?.place !== PLACE.dead) return false;
    this.#put(queue, message, 9 - message.priority, now, 0, null);
    return true;
  }

  /** Removes a message in any state, and tells whether there was one. Its id stays remembered. */
  purge(queue: Queue, id: string): boolean {
    const message = this.find(queue, id);
    if (message === undefined) return false;
    this.#delete.run(message.num);
    this.#queues.move(queue, stateAt(message.place), null);
    return true;
  }

  /** Moves what is due into the line, then the messages of expired leases, at most `limit` of both together. */
  settle(queue: Queue, limit: number, now: number): Settled {
    this.flush();
    let due = 0;
    if (queue.delayed > 0) {
      due = Number(this.#promote.run(queue.num, now, limit).changes);
      if (due > 0) this.#queues.move(queue, "delayed", "ready", due);
    }
    if (queue.leased === 0) return { due, expired: 0 };
    const expired = this.#expired.all(queue.num, now, limit - due);
    for (const message of expired) this.retry(queue, message, 0, LEASE_EXPIRED_ERROR, now);
    return { due, expired: expired.length };
  }

  /** Leases the first messages of the line. */
  claim(queue: Queue, limit: number, leaseMs: number, now: number): Claimed[] {
    const leaseExpiresAtMs = now + leaseMs;
    const leases: SqliteValue[] = [];
    const claimed = this.#line(queue.num, limit).map((row) => {
      const [num, id, value, priority, attempts, maxAttempts, enqueuedAtMs, lastError] = row;
      const secret = randomId();
      leases.push(++queue.sequence, secret, num);
      return {
        id,
        token: secret + num,
        value,
        priority,
        attempt: attempts + 1,
        maxAttempts,
        enqueuedAtMs,
        leaseExpiresAtMs,
        lastError,
      };
    });
    for (let start = 0; start < leases.length;) {
      const ten = leases.length - start >= 10 * LEASE_VALUES;
      const some = leases.slice(start, start += LEASE_VALUES * (ten ? 10 : 1));
      (ten ? this.#leaseTen : this.#lease).run(leaseExpiresAtMs, ...some);
    }
    if (claimed.length > 0) this.#queues.move(queue, "ready", "leased", claimed.length);
    return claimed;
  }

  /** Messages in one state, in its order, behind another one; none of those that came after `sequence`. */
  page(queue: number, state: MessageState, behind: Stored | null, sequence: number, limit: number): Stored[] {
    const { first, last } = placesOf(state);
    const { place, due_at, sequence: after } = behind ?? { place: first, due_at: -Infinity, sequence: 0 };
    return this.#page.all(queue, place, due_at, after, last, sequence, limit);
  }

  /** Gives a message another place. */
  #put(
    queue: Queue,
    message: Standing,
    place: number,
    dueAtMs: number,
    attempts: number,
    error: string | null,
  ): void {
    const lastError = error === null ? null : escapeText(error);
    this.#move.run(place, dueAtMs, ++queue.sequence, attempts, lastError, message.num);
    this.#queues.move(queue, stateAt(message.place), stateAt(place));
  }
}

function secretOf(token: string): string {
  return token.slice(0, SECRET_CHARACTERS);
}

/** What is not a number finds nothing. */
function numberOf(token: string): number {
  return Number(token.slice(SECRET_CHARACTERS));
}
