/** What a backend does, as plainly as it can be said: the reference that the property test holds every engine to. @module */

import { LEASE_EXPIRED_ERROR } from "../../src/storage/backend.ts";
import type { Batch, CommitResult, Delivery, Entry, MessageState } from "../../src/storage/backend.ts";
import type { Operation, OperationResult, QueueStats, StoredMessage } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { compareKeys, isBelow, isSame } from "./keys.ts";

/** `event` counts when a message entered its phase, and decides between those that are due at the same time. */
type Message = Omit<StoredMessage, "state"> & { phase: "waiting" | "leased" | "dead"; event: number; token: string };
type Name = Pick<Message, "queue" | "id">;
type Seen = Name & { readonly atMs: number; readonly dedupeMs: number };

/** Plain arrays, searched from end to end and replaced whole. Versions and tokens are counts of events. */
export class Model {
  nowMs = 0;
  events = 0;
  records: readonly Entry[] = [];
  line: readonly Message[] = [];
  seen: readonly Seen[] = [];

  /** `forgets`: whether an id is forgotten between once and twice its window, where either is right. */
  commit({ checks = [], operations }: Batch, forgets: boolean): CommitResult {
    const index = checks.findIndex(({ key, version }) => (this.get(key)?.version ?? null) !== version);
    if (index >= 0) return { committed: false, reason: "conflict", index };
    const before = { ...this };
    const results: OperationResult[] = [];
    for (const [index, operation] of operations.entries()) {
      const result = this.#apply(operation, forgets);
      if (typeof result === "string") {
        Object.assign(this, before);
        return { committed: false, reason: result, index };
      }
      results.push(result);
    }
    return { committed: true, results };
  }

  get(key: Key): Entry | undefined {
    return this.list([]).find((entry) => isSame(entry.key, key));
  }

  list(prefix: Key): Entry[] {
    return this.records.filter(({ key, expiresAtMs = Infinity }) => isBelow(key, prefix) && expiresAtMs > this.nowMs)
      .toSorted((a, b) => compareKeys(a.key, b.key));
  }

  clear(prefix: Key): number {
    return this.list(prefix).map(({ key }) => this.#apply({ type: "delete", key }, false)).length;
  }

  claim(queue: Key, leaseMs: number, limit: number): Delivery[] {
    const leaseExpiresAtMs = this.nowMs + leaseMs;
    return this.messages(queue, "ready").slice(0, limit).map(({ state: _, attempts, dueAtMs: __, ...message }) => {
      const { token } = this.#change(message, { phase: "leased", attempts: attempts + 1, dueAtMs: leaseExpiresAtMs });
      return { ...message, token, attempt: attempts + 1, leaseExpiresAtMs };
    });
  }

  recover(queue?: Key): number {
    return this.line.filter((message) => queue === undefined || isSame(message.queue, queue))
      .filter((message) => message.phase === "leased" && message.dueAtMs <= this.nowMs)
      .toSorted(byDue)
      .map((message) => this.#fail(message, LEASE_EXPIRED_ERROR)).length;
  }

  messages(queue: Key, state: MessageState): StoredMessage[] {
    this.recover(queue);
    return this.line.filter((message) => isSame(message.queue, queue) && stateAt(message, this.nowMs) === state)
      .toSorted((a, b) => (state === "ready" ? b.priority - a.priority : 0) || byDue(a, b))
      .map(({ phase: _, event: __, token: ___, ...message }) => ({ ...message, state }));
  }

  stats(queue: Key): QueueStats {
    const of = (state: MessageState) => this.messages(queue, state).length;
    const ends = [...this.messages(queue, "delayed"), ...this.messages(queue, "leased")].map(({ dueAtMs }) => dueAtMs);
    const nextDueInMs = ends.length > 0 ? Math.min(...ends) - this.nowMs : null;
    return { ready: of("ready"), delayed: of("delayed"), leased: of("leased"), dead: of("dead"), nextDueInMs };
  }

  queues(prefix: Key): Key[] {
    const sorted = this.line.map(({ queue }) => queue).filter((queue) => isBelow(queue, prefix)).sort(compareKeys);
    return sorted.filter((queue, index) => !isSame(queue, sorted[index - 1] ?? []));
  }

  #apply(operation: Operation, forgets: boolean): OperationResult | "full" | "lease_lost" {
    if ("key" in operation) {
      const existed = this.get(operation.key) !== undefined;
      this.records = this.records.filter(({ key }) => !isSame(key, operation.key));
      if (operation.type === "delete") return { type: "delete", existed };
      const { type, key, value, expiresInMs } = operation;
      const expiry = expiresInMs === undefined ? {} : { expiresAtMs: this.nowMs + expiresInMs };
      const version = `v${++this.events}`;
      this.records = [...this.records, { key, value, ...expiry, version }];
      return { type, version };
    }
    const message = this.line.find((each) => isNamed(each, operation));
    if (operation.type === "enqueue") {
      const { type, delayMs = 0, dedupeMs, capacity, ...sent } = operation;
      const isOver = ({ atMs, dedupeMs }: Seen) => this.nowMs >= atMs + dedupeMs * (forgets ? 1 : 2);
      if (message || this.seen.some((each) => isNamed(each, sent) && !isOver(each))) return { type, duplicate: true };
      const live = this.line.filter(({ queue, phase }) => isSame(queue, sent.queue) && phase !== "dead");
      if (live.length >= capacity) return "full";
      this.seen = [...this.seen, { ...sent, atMs: this.nowMs, dedupeMs }];
      const times = { enqueuedAtMs: this.nowMs, dueAtMs: this.nowMs + delayMs };
      this.line = [...this.line, { ...sent, ...times, attempts: 0, phase: "waiting", event: ++this.events, token: "" }];
      return { type, duplicate: false };
    }
    if (operation.type === "purge") {
      this.line = this.line.filter((each) => each !== message);
      return { type: "purge", found: message !== undefined };
    }
    if (operation.type === "redrive") {
      const found = message?.phase === "dead";
      if (found) this.#change(operation, { phase: "waiting", attempts: 0, dueAtMs: this.nowMs });
      return { type: "redrive", found };
    }
    const { type, token } = operation;
    if (message?.phase !== "leased" || message.token !== token || message.dueAtMs <= this.nowMs) return "lease_lost";
    if (type === "retry") return { type, state: this.#fail(message, operation.error, operation.delayMs) };
    if (type === "bury") this.#fail({ ...message, maxAttempts: 0 }, operation.error);
    if (type === "ack") this.line = this.line.filter((each) => each !== message);
    if (type !== "extend") return { type };
    const leaseExpiresAtMs = this.nowMs + operation.leaseMs;
    this.#change(message, { dueAtMs: leaseExpiresAtMs, event: message.event, token });
    return { type, leaseExpiresAtMs };
  }

  #fail(message: Message, lastError = message.lastError, delayMs = 0): "ready" | "delayed" | "dead" {
    const phase = message.attempts >= message.maxAttempts ? "dead" : "waiting";
    const dueAtMs = this.nowMs + (phase === "dead" ? 0 : delayMs);
    this.#change(message, { phase, dueAtMs, ...(lastError !== undefined && { lastError }) });
    return phase === "dead" ? phase : delayMs > 0 ? "delayed" : "ready";
  }

  #change(name: Name, change: Partial<Message>): { readonly token: string } {
    const event = { event: ++this.events, token: `t${this.events}` };
    this.line = this.line.map((each) => isNamed(each, name) ? { ...each, ...event, ...change } : each);
    return event;
  }
}

const isNamed = (a: Name, b: Name): boolean => a.id === b.id && isSame(a.queue, b.queue);
const stateAt = ({ phase, dueAtMs }: Message, nowMs: number): MessageState =>
  phase === "waiting" ? (dueAtMs > nowMs ? "delayed" : "ready") : phase;
const byDue = (a: Message, b: Message): number => a.dueAtMs - b.dueAtMs || a.event - b.event;
