/** One queue of the memory backend: the line, the delayed, the leased and the dead, all synchronous. @module */

import { LEASE_EXPIRED_ERROR, type MessageState } from "../../src/storage/backend.ts";
import type { PreparedEnqueue, PreparedLease } from "../../src/storage/batch.ts";
import type { JsonValue } from "../../src/storage/json.ts";
import { Heap, type HeapItem } from "../../src/storage/heap.ts";
import { Line, type LineItem } from "./line.ts";
import { SeenIds } from "./seen_ids.ts";

/** A message and where it stands. */
export interface Message extends HeapItem, LineItem<Message> {
  readonly id: string;
  readonly value: JsonValue;
  readonly priority: number;
  readonly maxAttempts: number;
  readonly enqueuedAtMs: number;
  state: MessageState;
  attempts: number;
  /** When it is due, or its lease ends, or it died. */
  dueAtMs: number;
  /** Orders what is due at the same time. */
  sequence: number;
  token: string;
  lastError: string | null;
}

const PRIORITIES = 10;

// After so many removals, the map of the messages is made anew.
const FEW_REMOVALS = 1024;

/** A queue. Callers check a whole batch with the `can` methods before they apply any of it. */
export class Queue {
  #messages = new Map<string, Message>();
  readonly #lines: readonly Line<Message>[] = Array.from({ length: PRIORITIES }, () => new Line<Message>());
  readonly #delayed = new Heap<Message>(isDueBefore);
  readonly #leased = new Heap<Message>(isDueBefore);
  readonly #dead = new Map<string, Message>();
  readonly #seen = new SeenIds();
  #sequence = 0;
  #removals = 0;

  /** How many messages are ready, delayed or leased. */
  get live(): number {
    return this.#messages.size - this.#dead.size;
  }

  /** How many messages there are in any state. */
  get size(): number {
    return this.#messages.size;
  }

  /** Whether the queue neither holds a message nor remembers one. */
  isForgotten(now: number): boolean {
    return this.#messages.size === 0 && this.#seen.isEmpty(now);
  }

  /** Whether an id is one that the queue holds or remembers. */
  knows(id: string, now: number): boolean {
    return this.#messages.has(id) || this.#seen.has(id, now);
  }

  /** The message with this id. */
  find(id: string): Message | undefined {
    return this.#messages.get(id);
  }

  /** Whether a lease is the message's live one. */
  holds({ id, token }: PreparedLease, now: number): boolean {
    const message = this.#messages.get(id);
    return message?.state === "leased" && message.token === token && message.dueAtMs > now;
  }

  /** Adds a message and tells so; one whose id the queue holds or remembers is a duplicate, and changes nothing. */
  enqueue(operation: PreparedEnqueue<JsonValue>, now: number): boolean {
    const { id, value, priority, maxAttempts, delayMs, dedupeMs } = operation;
    if (this.#messages.has(id) || !this.#seen.add(id, now, dedupeMs)) return false;
    const message: Message = {
      id,
      value,
      priority,
      maxAttempts,
      enqueuedAtMs: now,
      state: "ready",
      attempts: 0,
      dueAtMs: now,
      sequence: 0,
      token: "",
      lastError: null,
      heapIndex: 0,
      previous: null,
      next: null,
    };
    this.#messages.set(id, message);
    this.#line(message, now, delayMs);
    return true;
  }

  /** Ends a lease by removing its message. */
  ack(id: string): void {
    this.#remove(id);
  }

  /** Puts a leased message back into the line, or to the dead when its attempts are used up. */
  retry(id: string, delayMs: number, error: string | null, now: number): "ready" | "delayed" | "dead" {
    const message = this.#take(id);
    if (error !== null) message.lastError = error;
    return message.attempts >= message.maxAttempts ? this.#bury(message, now) : this.#line(message, now, delayMs);
  }

  /** Puts a leased message to the dead. */
  bury(id: string, error: string | null, now: number): void {
    const message = this.#take(id);
    if (error !== null) message.lastError = error;
    this.#bury(message, now);
  }

  /** Moves the end of a lease; among leases that end together, the order of delivery counts still. */
  extend(id: string, leaseMs: number, now: number): number {
    const message = this.#take(id);
    message.dueAtMs = now + leaseMs;
    this.#leased.push(message);
    return message.dueAtMs;
  }

  /** Puts a dead message back into the line. */
  redrive(id: string, now: number): boolean {
    const message = this.#dead.get(id);
    if (message === undefined) return false;
    this.#dead.delete(id);
    message.attempts = 0;
    this.#line(message, now, 0);
    return true;
  }

  /** Removes a message in any state. */
  purge(id: string): boolean {
    return this.#remove(id);
  }

  /** Leases the first messages of the line, each with a token of its own. */
  claim(limit: number, leaseMs: number, now: number, nextToken: () => string): Message[] {
    this.settle(now);
    const claimed: Message[] = [];
    for (let priority = PRIORITIES - 1; priority >= 0; priority--) {
      const line = this.#lines[priority];
      while (claimed.length < limit && line?.first) {
        const message = line.first;
        line.delete(message);
        message.attempts++;
        message.token = nextToken();
        this.#lease(message, leaseMs, now);
        claimed.push(message);
      }
    }
    return claimed;
  }

  /** Moves what is due into the line, then every expired lease; tells how many leases that were. */
  settle(now: number): number {
    this.#promote(now);
    let expired = 0;
    for (let first = this.#leased.peek(); first && first.dueAtMs <= now; first = this.#leased.peek()) {
      this.#leased.delete(first);
      first.lastError = LEASE_EXPIRED_ERROR;
      if (first.attempts >= first.maxAttempts) this.#bury(first, now);
      else this.#line(first, now, 0);
      expired++;
    }
    return expired;
  }

  /** The messages in one state, in its order. */
  *list(state: MessageState): Generator<Message> {
    if (state === "dead") yield* this.#dead.values();
    else if (state !== "ready") yield* (state === "delayed" ? this.#delayed : this.#leased).sorted();
    else for (const line of this.#lines.toReversed()) yield* line;
  }

  /** How many messages are in each state. */
  counts(): { ready: number; delayed: number; leased: number; dead: number } {
    const [delayed, leased, dead] = [this.#delayed.size, this.#leased.size, this.#dead.size];
    return { ready: this.#messages.size - delayed - leased - dead, delayed, leased, dead };
  }

  /** The next time at which a delayed message is due or a lease ends. */
  nextDueAtMs(): number {
    return Math.min(this.#delayed.peek()?.dueAtMs ?? Infinity, this.#leased.peek()?.dueAtMs ?? Infinity);
  }

  /** Before anything joins the line, what became due earlier must stand in it. */
  #promote(now: number): void {
    for (let first = this.#delayed.peek(); first && first.dueAtMs <= now; first = this.#delayed.peek()) {
      this.#delayed.delete(first);
      first.state = "ready";
      this.#lines[first.priority]?.push(first);
    }
  }

  #line(message: Message, now: number, delayMs: number): "ready" | "delayed" {
    this.#promote(now);
    message.dueAtMs = now + delayMs;
    message.sequence = ++this.#sequence;
    if (delayMs > 0) this.#delayed.push(message);
    else this.#lines[message.priority]?.push(message);
    return message.state = delayMs > 0 ? "delayed" : "ready";
  }

  #lease(message: Message, leaseMs: number, now: number): void {
    message.state = "leased";
    message.dueAtMs = now + leaseMs;
    message.sequence = ++this.#sequence;
    this.#leased.push(message);
  }

  #bury(message: Message, now: number): "dead" {
    message.dueAtMs = now;
    this.#dead.set(message.id, message);
    return message.state = "dead";
  }

  /** Takes a leased message out of the heap of leases. */
  #take(id: string): Message {
    const message = this.#messages.get(id);
    if (message?.state !== "leased") throw new Error(`Cannot settle the message ${id}: it is not leased`);
    this.#leased.delete(message);
    return message;
  }

  #remove(id: string): boolean {
    const message = this.#messages.get(id);
    if (message === undefined) return false;
    this.#messages.delete(id);
    if (++this.#removals > FEW_REMOVALS + this.#messages.size) this.#renew();
    if (message.state === "ready") this.#lines[message.priority]?.delete(message);
    else if (message.state === "delayed") this.#delayed.delete(message);
    else if (message.state === "leased") this.#leased.delete(message);
    else this.#dead.delete(id);
    return true;
  }

  /**
   * Each table of a map refers to the one that replaces it: once a table is old, all messages that are ever in the
   * later ones are kept until a full collection. With a new map now and then, a whole round trip takes two thirds of
   * the time.
   */
  #renew(): void {
    this.#messages = new Map(this.#messages);
    this.#removals = 0;
  }
}

function isDueBefore(a: Message, b: Message): boolean {
  return a.dueAtMs < b.dueAtMs || (a.dueAtMs === b.dueAtMs && a.sequence < b.sequence);
}
