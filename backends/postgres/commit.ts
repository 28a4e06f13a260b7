/** Commits a group of batches in one transaction: lock, load, apply, write back. @module */

import type { CommitResult } from "../../src/storage/backend.ts";
import type { PreparedBatch, PreparedOperation } from "../../src/storage/batch.ts";
import { randomId } from "../../src/ids.ts";
import { encodedParent } from "../../src/storage/key.ts";
import type { Parameter, Row, Session } from "./driver.ts";
import { StaleError } from "./faults.ts";
import { Ledger, type Message, numberOf, type Queue, type StoredRecord } from "./ledger.ts";
import type { QueueNumbers } from "./queues.ts";
import { LOCK_CLASS } from "./schema.ts";
import type { Statements } from "./statements.ts";
import { arrayLiteral, escapeText, unescapeText } from "./text.ts";
import { groupBy } from "../../src/storage/es2024.ts";

/** What a group came to. */
export interface Committed {
  readonly results: readonly CommitResult[];
  /** The topics to wake. */
  readonly topics: ReadonlySet<string>;
  /** How many rows were added that are to be cleaned away some day. */
  readonly added: number;
}

/** What a committer works with. */
export interface CommitterParts {
  readonly statements: Statements;
  readonly queues: QueueNumbers;
  /** Put before every key. */
  readonly namespace: string;
  /** How topics are told to other processes. */
  readonly notify: { readonly channel: string; payload(topics: ReadonlySet<string>): string };
}

// Records are locked by slots, also where there is no row yet. The server has room for some thousand locks in all: 256
// leave enough of it to others, and make two steps on different keys wait for each other once in 256 times.
const LOCK_SLOTS = 256;

/** How long at least until an id is first looked at by the cleaning. */
export const SWEEP_AFTER_MS = 60_000;

/** What a group of batches is about, by name. */
interface Scope {
  readonly queues: Set<string>;
  /** Queues that must be there. */
  readonly filled: Set<string>;
  readonly records: Set<string>;
  readonly enqueued: [queue: string, id: string][];
  readonly leased: [queue: string, num: number][];
  readonly named: [queue: string, id: string][];
}

/** Commits to one namespace. */
export class Committer {
  readonly #parts: CommitterParts;

  /** Made of these parts. */
  constructor(parts: CommitterParts) {
    this.#parts = parts;
  }

  /** Looks up the queues of a group, and makes those that are missing, outside of the transaction. */
  async prepare(
    session: Session,
    outside: Session,
    batches: readonly PreparedBatch<string>[],
    lockMs: number | null,
  ): Promise<ReadonlyMap<string, number>> {
    const { queues, filled } = scopeOf(batches);
    return await this.#parts.queues.find(session, queues, filled, lockMs, outside);
  }

  /**
   * Commits each batch as a whole or not at all, inside of a transaction. `numbers`: those of the queues, as prepared.
   *
   * @throws {StaleError} When a queue is gone that was there when it was looked up.
   */
  async run(
    session: Session,
    batches: readonly PreparedBatch<string>[],
    numbers: ReadonlyMap<string, number>,
  ): Promise<Committed> {
    const { ledger, isListening } = await this.#load(session, scopeOf(batches), numbers);
    const topics = new Set<string>();
    const results = batches.map((batch) => {
      const result = ledger.commit(batch);
      if (result.committed) addTopics(topics, batch);
      return result;
    });
    const added = await this.#save(session, ledger, isListening ? topics : new Set());
    return { results, topics, added };
  }

  /** Locks and loads, in one go: the statements wait for one another on the server. */
  async #load(
    session: Session,
    scope: Scope,
    numbers: ReadonlyMap<string, number>,
  ): Promise<{ ledger: Ledger; isListening: boolean }> {
    const { statements, namespace, queues } = this.#parts;
    const nums = new Map(Array.from(numbers, ([name, num]) => [num, name]));
    const keys = [...scope.records].map((key) => namespace + key).sort();
    const load = (when: boolean, text: string, parameters: () => Parameter[]): Promise<readonly Row[]> =>
      when ? session.query(text, parameters()) : Promise.resolve([]);
    const pairs = (named: readonly (readonly [queue: string, value: string | number])[]): Parameter[] => {
      const known = named.flatMap(([queue, value]) => {
        const num = numbers.get(queue);
        return num === undefined ? [] : [{ num, value }];
      });
      return [
        arrayLiteral(known.map(({ num }) => num)),
        arrayLiteral(known.map(({ value }) => typeof value === "string" ? escapeText(value) : value)),
      ];
    };
    const [, queueRows, recordRows, idRows, byNum, byId, [time]] = await Promise.all([
      load(keys.length > 0, statements.lockRecords, () => [LOCK_CLASS, arrayLiteral(slotsOf(keys))]),
      load(nums.size > 0, statements.lockQueues, () => [arrayLiteral([...nums.keys()])]),
      load(keys.length > 0, statements.loadRecords, () => [arrayLiteral(keys)]),
      load(scope.enqueued.length > 0, statements.loadIds, () => pairs(scope.enqueued)),
      load(scope.leased.length > 0, statements.loadByNum, () => pairs(scope.leased)),
      load(scope.named.length > 0, statements.loadById, () => pairs(scope.named)),
      session.query(statements.time, [namespace]),
    ]);
    const ledger = new Ledger(Number(time?.now), randomId());
    const byNumber = new Map<number, Queue>();
    for (const { num, live, sequence } of queueRows) {
      const name = nums.get(Number(num));
      // deno-coverage-ignore -- the compiler asks for it: these are the queues whose numbers were asked about
      if (name === undefined) continue;
      const queue = { num: Number(num), live: Number(live), sequence: Number(sequence), isChanged: false };
      ledger.queues.set(name, queue);
      byNumber.set(queue.num, queue);
    }
    for (const name of scope.queues) {
      if (numbers.has(name) ? ledger.queues.has(name) : !scope.filled.has(name)) continue;
      queues.forget(name);
      throw new StaleError("the transaction does not see the queue, which was made or taken away meanwhile");
    }
    for (const { key, version, expires_at, tracked } of recordRows) {
      const hasExpired = expires_at !== null && Number(expires_at) <= ledger.nowMs;
      const bare = String(key).slice(namespace.length);
      ledger.records.set(bare, {
        key: bare,
        version: hasExpired ? null : String(version),
        value: null,
        expiresAtMs: null,
        isTracked: tracked === true,
        wasTracked: tracked === true,
        isChanged: false,
      });
    }
    for (const { queue: num, id, forget_at, present } of idRows) {
      const queue = byNumber.get(Number(num));
      // deno-coverage-ignore -- the compiler asks for it: with a queue that is missing, it has ended above
      if (!queue) continue;
      ledger.addId({
        queue,
        id: unescapeText(String(id)),
        num: 0,
        forgetAtMs: Number(forget_at),
        isPresent: present === true,
        isChanged: false,
      });
    }
    for (const row of [...byNum, ...byId]) {
      const queue = byNumber.get(Number(row.queue));
      if (queue && !ledger.messages.has(`${queue.num}:${row.num}`)) ledger.addMessage(toMessage(row, queue));
    }
    return { ledger, isListening: time?.listening === true };
  }

  /** Writes back what has changed, in one go. */
  async #save(session: Session, ledger: Ledger, topics: ReadonlySet<string>): Promise<number> {
    const { statements, namespace, notify } = this.#parts;
    const { nowMs } = ledger;
    const queues = [...ledger.queues.values()].filter(({ isChanged }) => isChanged);
    const messages = [...ledger.messages.values()];
    const added = messages.filter(({ isNew, isGone }) => isNew && !isGone);
    const gone = messages.filter(({ isNew, isGone }) => !isNew && isGone);
    const changed = messages.filter(({ isNew, isGone, isChanged }) => !isNew && !isGone && isChanged);
    const ids = [...ledger.ids.values()].filter(({ isChanged }) => isChanged);
    const records = [...ledger.records.values()].filter(({ isChanged }) => isChanged);
    const set = records.filter(({ version }) => version !== null);
    const deleted = records.filter(({ version }) => version === null);
    const forgotten = records.filter(({ isTracked, wasTracked }) => wasTracked && !isTracked);
    const changes = await this.#numberChanges(session, records, nowMs);
    const writes: Promise<unknown>[] = [];
    const write = <Item>(
      text: string,
      items: readonly Item[],
      columns: readonly ((item: Item) => string | number | null)[],
      ...rest: Parameter[]
    ) => {
      if (items.length === 0) return;
      writes.push(session.query(text, [...columns.map((column) => arrayLiteral(items.map(column))), ...rest]));
    };
    write(statements.saveQueues, queues, [({ num }) => num, ({ live }) => live, ({ sequence }) => sequence], nowMs);
    write(statements.deleteMessages, gone, [({ queue }) => queue.num, ({ num }) => num]);
    write(statements.updateMessages, changed, [
      ({ queue }) => queue.num,
      ({ num }) => num,
      ({ place }) => place,
      ({ dueAtMs }) => dueAtMs,
      ({ sequence }) => sequence,
      ({ attempts }) => attempts,
      ({ error }) => error === null ? null : escapeText(error),
    ]);
    if (added.length > 0) {
      const column = (of: (message: Message) => string | number | null) => arrayLiteral(added.map(of));
      writes.push(session.query(statements.insertMessages, [
        column(({ queue }) => queue.num),
        column(({ num }) => num),
        column(({ sequence }) => sequence),
        column(({ dueAtMs }) => dueAtMs),
        column(({ maxAttempts }) => maxAttempts),
        column(({ place }) => place),
        column(({ priority }) => priority),
        column(({ id }) => escapeText(id)),
        nowMs,
        column(({ value }) => value),
      ]));
    }
    write(
      statements.saveIds,
      ids,
      [({ queue }) => queue.num, ({ num }) => num, ({ forgetAtMs }) => forgetAtMs, ({ id }) => escapeText(id)],
      nowMs + SWEEP_AFTER_MS,
    );
    write(statements.saveRecords, set, [
      ({ key }) => namespace + key,
      ({ version }) => version,
      ({ expiresAtMs }) => expiresAtMs,
      (record) => ((record.isTracked && changes.get(record)) || UNTOLD).feed,
      (record) => ((record.isTracked && changes.get(record)) || UNTOLD).change,
      ({ value }) => value,
    ]);
    write(
      statements.saveDeletions,
      forgotten,
      [
        // deno-coverage-ignore -- the compiler asks for it: whatever was tracked got a number
        (record) => changes.get(record)?.feed ?? 0,
        // deno-coverage-ignore -- the compiler asks for it: whatever was tracked got a number
        (record) => changes.get(record)?.change ?? 0,
        ({ key }) => namespace + key,
      ],
      nowMs,
    );
    write(statements.deleteRecords, deleted, [({ key }) => namespace + key]);
    if (topics.size > 0) writes.push(session.query(statements.notify, [notify.channel, notify.payload(topics)]));
    await Promise.all(writes);
    return ids.length + set.filter(({ expiresAtMs }) => expiresAtMs !== null).length + forgotten.length;
  }

  /** Numbers what readers of changes are to be told, under locks that are held until the transaction ends. */
  async #numberChanges(
    session: Session,
    records: readonly StoredRecord[],
    nowMs: number,
  ): Promise<ReadonlyMap<StoredRecord, Change>> {
    const { statements, namespace } = this.#parts;
    const told = records.filter(({ isTracked, wasTracked }) => isTracked || wasTracked);
    if (told.length === 0) return new Map();
    const byParent = groupBy(told, ({ key }) => namespace + encodedParent(key));
    const parents = [...byParent.keys()].sort();
    // deno-coverage-ignore -- the compiler asks for it: these are the parents that it is grouped by
    const counts = parents.map((parent) => byParent.get(parent)?.length ?? 0);
    const rows = await session.query(statements.touchFeeds, [arrayLiteral(parents), arrayLiteral(counts), nowMs]);
    const changes = new Map<StoredRecord, Change>();
    for (const { num, parent, sequence } of rows) {
      // deno-coverage-ignore -- the compiler asks for it: each row is of one of these parents
      const members = byParent.get(String(parent)) ?? [];
      const first = Number(sequence) - members.length + 1;
      members.forEach((record, index) => changes.set(record, { feed: Number(num), change: first + index }));
    }
    return changes;
  }
}

/** The number of a change among those of one parent. */
interface Change {
  readonly feed: number;
  readonly change: number;
}

/** The number of a record that nobody is told of. */
const UNTOLD = { feed: null, change: null } as const;

function scopeOf(batches: readonly PreparedBatch<string>[]): Scope {
  const scope: Scope = {
    queues: new Set(),
    filled: new Set(),
    records: new Set(),
    enqueued: [],
    leased: [],
    named: [],
  };
  for (const { checks, operations } of batches) {
    for (const { key } of checks) scope.records.add(key);
    for (const operation of operations) addTo(scope, operation);
  }
  return scope;
}

function addTo(scope: Scope, operation: PreparedOperation<string>): void {
  if ("key" in operation) {
    scope.records.add(operation.key);
    return;
  }
  const { queue, id } = operation;
  scope.queues.add(queue);
  if (operation.type === "enqueue") {
    scope.filled.add(queue);
    scope.enqueued.push([queue, id]);
  } else if ("token" in operation) scope.leased.push([queue, numberOf(operation.token)]);
  else scope.named.push([queue, id]);
}

/** The topics that a batch wakes: what it names, and queues that something comes into. */
function addTopics(topics: Set<string>, { operations, notify }: PreparedBatch<string>): void {
  for (const topic of notify) topics.add(topic);
  for (const operation of operations) {
    if (operation.type === "enqueue" || operation.type === "retry" || operation.type === "redrive") {
      topics.add(operation.queue);
    }
  }
}

/** The slots of keys, in order, each once. */
function slotsOf(keys: readonly string[]): number[] {
  const slots = new Set<number>();
  for (const key of keys) {
    let hash = 0x811c9dc5;
    for (let index = 0; index < key.length; index++) hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
    slots.add((hash ^ (hash >>> 16)) & (LOCK_SLOTS - 1));
  }
  return [...slots].sort((a, b) => a - b);
}

function toMessage(row: Row, queue: Queue): Message {
  return {
    queue,
    num: Number(row.num),
    id: unescapeText(String(row.id)),
    priority: Number(row.priority),
    maxAttempts: Number(row.max_attempts),
    isNew: false,
    value: null,
    isGone: false,
    isChanged: false,
    place: Number(row.place),
    attempts: Number(row.attempts),
    dueAtMs: Number(row.due_at),
    sequence: Number(row.sequence),
    token: String(row.token),
    error: null,
  };
}
