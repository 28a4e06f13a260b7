/** What a group of batches is about, as it was loaded, and what becomes of it batch by batch. @module */

import type { CommitResult, OperationResult, Refused } from "../../src/storage/backend.ts";
import type { PreparedBatch, PreparedEnqueue, PreparedLease, PreparedOperation } from "../../src/storage/batch.ts";
import { PLACE } from "../../src/storage/place.ts";

/** A queue, locked. */
export interface Queue {
  readonly num: number;
  /** How many messages are ready, delayed or leased. */
  live: number;
  sequence: number;
  isChanged: boolean;
}

/** A message: `loaded` ones are there, `added` ones will be, `gone` ones will not. */
export interface Message {
  readonly queue: Queue;
  readonly num: number;
  readonly id: string;
  readonly priority: number;
  readonly maxAttempts: number;
  readonly isNew: boolean;
  readonly value: string | null;
  isGone: boolean;
  isChanged: boolean;
  place: number;
  attempts: number;
  dueAtMs: number;
  sequence: number;
  token: string;
  /** `null` leaves the one it has. */
  error: string | null;
}

/** An id that a queue holds or remembers. */
export interface KnownId {
  readonly queue: Queue;
  readonly id: string;
  num: number;
  forgetAtMs: number;
  /** Whether the message was there when the id was loaded. */
  isPresent: boolean;
  isChanged: boolean;
}

/** A record; `version` is `null` where there is none. */
export interface StoredRecord {
  readonly key: string;
  version: string | null;
  value: string | null;
  expiresAtMs: number | null;
  isTracked: boolean;
  /** Whether readers of changes know it, as it was loaded. */
  readonly wasTracked: boolean;
  isChanged: boolean;
}

type Outcome = OperationResult | "full" | "lease_lost";
type QueueOperation = Extract<PreparedOperation<string>, { readonly queue: string }>;

/**
 * The part of the store that a group of batches is about, locked and loaded. Batches are applied here one after the
 * other, each as a whole or not at all; what has changed is written back afterwards.
 */
export class Ledger {
  readonly nowMs: number;
  readonly queues = new Map<string, Queue>();
  readonly messages = new Map<string, Message>();
  readonly ids = new Map<string, KnownId>();
  readonly records = new Map<string, StoredRecord>();
  readonly #byId = new Map<string, Message>();
  readonly #version: string;
  #versions = 0;
  #undo: (() => void)[] = [];

  /** `version` is put before the versions of what is set; it must never have been used before. */
  constructor(nowMs: number, version: string) {
    this.nowMs = nowMs;
    this.#version = version;
  }

  /** Adds a message that was loaded or made. */
  addMessage(message: Message): void {
    this.messages.set(`${message.queue.num}:${message.num}`, message);
    this.#byId.set(idKey(message.queue, message.id), message);
  }

  /** Adds an id that was loaded. */
  addId(id: KnownId): void {
    this.ids.set(idKey(id.queue, id.id), id);
  }

  /** Does all of a batch, or nothing. */
  commit({ checks, operations }: PreparedBatch<string>): CommitResult {
    for (const [index, { key, version }] of checks.entries()) {
      if ((this.records.get(key)?.version ?? null) !== version) return refuse("conflict", index);
    }
    this.#undo = [];
    const results: OperationResult[] = [];
    for (const [index, operation] of operations.entries()) {
      const outcome = this.#apply(operation);
      if (typeof outcome === "string") {
        for (const undo of this.#undo.reverse()) undo();
        return refuse(outcome, index);
      }
      results.push(outcome);
    }
    return { committed: true, results };
  }

  #apply(operation: PreparedOperation<string>): Outcome {
    switch (operation.type) {
      case "set": {
        const { key, value, expiresInMs, tracked } = operation;
        const version = `${this.#version}${(this.#versions++).toString(36)}`;
        this.#setRecord(key, version, value, expiresInMs === null ? null : this.nowMs + expiresInMs, tracked);
        return { type: "set", version };
      }
      case "delete": {
        const existed = (this.records.get(operation.key)?.version ?? null) !== null;
        if (existed) this.#setRecord(operation.key, null, null, null, false);
        return { type: "delete", existed };
      }
      case "enqueue":
        return this.#enqueue(operation);
      case "redrive": {
        const message = this.#find(operation);
        const found = message?.place === PLACE.dead;
        if (found) {
          this.#put(message, 9 - message.priority, this.nowMs, null, 0);
          this.#count(message.queue, 1);
        }
        return { type: "redrive", found };
      }
      case "purge": {
        const message = this.#find(operation);
        if (message) this.#remove(message);
        return { type: "purge", found: message !== undefined };
      }
      default:
        return this.#settle(operation);
    }
  }

  #enqueue(operation: PreparedEnqueue<string>): Outcome {
    const queue = this.#queue(operation.queue);
    const id = idKey(queue, operation.id);
    const known = this.ids.get(id);
    const message = this.#byId.get(id);
    const isPresent = message ? !message.isGone : known?.isPresent ?? false;
    if (isPresent || (known && known.forgetAtMs > this.nowMs)) return { type: "enqueue", duplicate: true };
    if (queue.live >= operation.capacity) return "full";
    this.#count(queue, 1);
    const num = this.#next(queue);
    const added: Message = {
      queue,
      num,
      id: operation.id,
      priority: operation.priority,
      maxAttempts: operation.maxAttempts,
      isNew: true,
      value: operation.value,
      isGone: false,
      isChanged: false,
      place: operation.delayMs > 0 ? PLACE.delayed : 9 - operation.priority,
      attempts: 0,
      dueAtMs: this.nowMs + operation.delayMs,
      sequence: num,
      token: "",
      error: null,
    };
    this.#undo.push(() => {
      this.messages.delete(`${queue.num}:${num}`);
      if (message) this.#byId.set(id, message);
      else this.#byId.delete(id);
      if (known) this.ids.set(id, known);
      else this.ids.delete(id);
    });
    this.addMessage(added);
    this.addId({
      queue,
      id: operation.id,
      num,
      forgetAtMs: this.nowMs + operation.dedupeMs,
      isPresent: true,
      isChanged: true,
    });
    return { type: "enqueue", duplicate: false };
  }

  #settle(operation: Extract<QueueOperation, { readonly token: string }>): Outcome {
    const { type } = operation;
    const message = this.#leased(operation);
    if (!message) return "lease_lost";
    switch (type) {
      case "ack":
        this.#remove(message);
        return { type };
      case "bury":
        this.#bury(message, operation.error);
        return { type };
      case "retry": {
        const { delayMs, error } = operation;
        if (message.attempts >= message.maxAttempts) {
          this.#bury(message, error);
          return { type, state: "dead" };
        }
        const isDelayed = delayMs > 0;
        const place = isDelayed ? PLACE.delayed : 9 - message.priority;
        this.#put(message, place, this.nowMs + delayMs, error, message.attempts);
        return { type, state: isDelayed ? "delayed" : "ready" };
      }
      case "extend": {
        const leaseExpiresAtMs = this.nowMs + operation.leaseMs;
        this.#change(message);
        message.dueAtMs = leaseExpiresAtMs;
        return { type, leaseExpiresAtMs };
      }
    }
  }

  #leased({ queue: name, id, token }: PreparedLease): Message | undefined {
    const queue = this.queues.get(name);
    const message = queue && this.messages.get(`${queue.num}:${numberOf(token)}`);
    const isHeld = message && !message.isGone && message.place === PLACE.leased && message.id === id &&
      message.token === token && message.dueAtMs > this.nowMs;
    return isHeld ? message : undefined;
  }

  #find({ queue: name, id }: { readonly queue: string; readonly id: string }): Message | undefined {
    const queue = this.queues.get(name);
    const message = queue && this.#byId.get(idKey(queue, id));
    return message?.isGone ? undefined : message;
  }

  #queue(name: string): Queue {
    const queue = this.queues.get(name);
    // deno-coverage-ignore -- it was loaded: this tells of a fault in the loading
    if (!queue) throw new Error("Cannot commit the batch: its queue was not loaded");
    return queue;
  }

  #bury(message: Message, error: string | null): void {
    this.#put(message, PLACE.dead, this.nowMs, error, message.attempts);
    this.#count(message.queue, -1);
  }

  #remove(message: Message): void {
    this.#change(message);
    message.isGone = true;
    if (message.place !== PLACE.dead) this.#count(message.queue, -1);
  }

  #put(message: Message, place: number, dueAtMs: number, error: string | null, attempts: number): void {
    this.#change(message);
    message.place = place;
    message.dueAtMs = dueAtMs;
    message.sequence = this.#next(message.queue);
    message.attempts = attempts;
    message.error = error ?? message.error;
  }

  #change(message: Message): void {
    const before = { ...message };
    this.#undo.push(() => Object.assign(message, before));
    message.isChanged = true;
  }

  #count(queue: Queue, by: number): void {
    const { live, isChanged } = queue;
    this.#undo.push(() => Object.assign(queue, { live, isChanged }));
    queue.live += by;
    queue.isChanged = true;
  }

  #next(queue: Queue): number {
    const { sequence, isChanged } = queue;
    this.#undo.push(() => Object.assign(queue, { sequence, isChanged }));
    queue.isChanged = true;
    return ++queue.sequence;
  }

  #setRecord(
    key: string,
    version: string | null,
    value: string | null,
    expiresAtMs: number | null,
    isTracked: boolean,
  ): void {
    const before = this.records.get(key);
    this.#undo.push(() => {
      if (before) this.records.set(key, before);
      else this.records.delete(key);
    });
    const wasTracked = before?.wasTracked ?? false;
    // What was written last comes last.
    this.records.delete(key);
    this.records.set(key, { key, version, value, expiresAtMs, isTracked, wasTracked, isChanged: true });
  }
}

/** The number of the message in a token, by which it is found; what has none finds nothing. */
export function numberOf(token: string): number {
  const [, digits] = /^(\d{1,15})\./.exec(token) ?? [];
  return digits === undefined ? -1 : Number(digits);
}

function idKey(queue: Queue, id: string): string {
  return `${queue.num}:${id}`;
}

function refuse(reason: Refused["reason"], index: number): Refused {
  return { committed: false, reason, index };
}
