/** The log of what happened to agents: numbered records that expire, written with what they tell. @module */

import { asError, BackendUnavailableError, isOutage } from "../errors.ts";
import type { Check, Operation, OperationResult, StorageBackend } from "../storage/backend.ts";
import { GroupCommit } from "../storage/group_commit.ts";
import { encodeKey } from "../storage/key.ts";
import type { AgentKeys } from "./agent_keys.ts";
import { decodeEvent, decodeHead, encodeEvent, encodeHead, type LoggedEvent } from "./records.ts";

/** A change of the registry, with the events that tell of it. */
export interface Change {
  readonly checks: readonly Check[];
  readonly operations: readonly Operation[];
  readonly events: readonly LoggedEvent[];
}

/** What a change came to: the results of its own operations, or the index of its own check that did not hold. */
export type ChangeResult =
  | { readonly committed: true; readonly results: readonly OperationResult[] }
  | { readonly committed: false; readonly index: number };

/** An event with its number; `null` where it is of a kind that this version does not know. */
export interface NumberedEvent {
  readonly sequence: number;
  readonly event: LoggedEvent | null;
}

/** A change with its place among all that were asked for. */
interface NumberedChange extends Change {
  readonly number: number;
}

// Each lost race means that another process has written an event: somebody always gets on.
const MAX_TRIES = 1000;

// The check of the head, and the new head.
const FIXED_WEIGHT = 2;

/**
 * Events are numbered without gaps, by compare-and-set on the number of the last one, so that who reads them knows what
 * was missed. The changes that are made at the same time in one process travel together.
 */
export class EventLog {
  readonly #backend: StorageBackend;
  readonly #keys: AgentKeys;
  readonly #retentionMs: number;
  readonly #group: GroupCommit<NumberedChange, ChangeResult>;
  #asked = 0;
  /** Up to which change an outage has taken all. */
  #lost: { readonly upTo: number; readonly error: Error } | null = null;
  #head: { readonly version: string | null; readonly last: number } | null = null;

  /** The log of one namespace. */
  constructor(backend: StorageBackend, keys: AgentKeys, retentionMs: number) {
    this.#backend = backend;
    this.#keys = keys;
    this.#retentionMs = retentionMs;
    this.#group = new GroupCommit({ flush: (changes) => this.#flush(changes) });
  }

  /**
   * Makes a change together with its events, or nothing of it. An outage takes with it what has waited meanwhile: that
   * has had its time, and to try each anew would take as long again.
   */
  commit(change: Change): Promise<ChangeResult> {
    return this.#group.run({ ...change, number: ++this.#asked });
  }

  /** The number of the last event. */
  async last(): Promise<number> {
    const [head] = await this.#backend.get([this.#keys.head]);
    return decodeHead(head?.value);
  }

  /** Up to `limit` events behind the one with number `sequence`, in their order. */
  async after(sequence: number, limit: number): Promise<NumberedEvent[]> {
    const events: NumberedEvent[] = [];
    for await (
      const { key, value } of this.#backend.list(this.#keys.events, { after: this.#keys.event(sequence), limit })
    ) {
      events.push({ sequence: Number(key.at(-1)), event: decodeEvent(value) });
    }
    return events;
  }

  async #flush(changes: readonly NumberedChange[]): Promise<(ChangeResult | Error)[]> {
    const outcomes = new Map<Change, ChangeResult | Error>();
    const lost = this.#lost;
    if (lost) { for (const change of changes) if (change.number <= lost.upTo) outcomes.set(change, lost.error); }
    try {
      for (let tries = 0; outcomes.size < changes.length; tries++) {
        if (tries >= MAX_TRIES) {
          throw new BackendUnavailableError(`Cannot write the event: ${MAX_TRIES} tries met another process's`);
        }
        const left = changes.filter((change) => !outcomes.has(change));
        const settled = await this.#try(fitting(left, this.#backend.traits.maxBatchSize));
        if (settled.size > 0) tries = 0;
        for (const [change, outcome] of settled) outcomes.set(change, outcome);
      }
    } catch (error) {
      this.#head = null;
      const failure = asError(error);
      if (isOutage(error)) {
        const late = new BackendUnavailableError("Cannot write the event: the write before it failed", {
          cause: error,
        });
        this.#lost = { upTo: this.#asked, error: late };
      }
      for (const change of changes) if (!outcomes.has(change)) outcomes.set(change, failure);
    }
    // deno-coverage-ignore -- the compiler asks for it: every change has got its outcome
    return changes.map((change) => outcomes.get(change) ?? new Error("Cannot write the event: it was forgotten"));
  }

  /** Commits changes as one batch. None is settled where another process wrote an event first. */
  async #try(changes: readonly Change[]): Promise<Map<Change, ChangeResult>> {
    const head = this.#head ?? await this.#readHead();
    const events = changes.flatMap((change) => change.events);
    const result = await this.#backend.commit({
      checks: [{ key: this.#keys.head, version: head.version }, ...changes.flatMap(({ checks }) => checks)],
      operations: [
        { type: "set", key: this.#keys.head, value: encodeHead(head.last + events.length) },
        ...changes.flatMap(({ operations }) => operations),
        ...events.map((event, index) => this.#set(head.last + 1 + index, event)),
      ],
      notify: [this.#keys.events],
    });
    this.#head = null;
    if (!result.committed) return refused(changes, result.index - 1);
    const [written] = result.results;
    if (written?.type === "set") this.#head = { version: written.version, last: head.last + events.length };
    return committed(changes, result.results.slice(1));
  }

  #set(sequence: number, event: LoggedEvent): Operation {
    return {
      type: "set",
      key: this.#keys.event(sequence),
      value: encodeEvent(event),
      expiresInMs: this.#retentionMs,
    };
  }

  async #readHead(): Promise<{ readonly version: string | null; readonly last: number }> {
    const [head] = await this.#backend.get([this.#keys.head]);
    return { version: head?.version ?? null, last: decodeHead(head?.value) };
  }
}

/** As many changes, at least one, as go into one batch: within its size, and no key twice. */
function fitting(changes: readonly Change[], maxBatchSize: number): Change[] {
  const fit: Change[] = [];
  const keys = new Set<string>();
  let weight = FIXED_WEIGHT;
  for (const change of changes) {
    const { checks, operations, events } = change;
    weight += checks.length + operations.length + events.length;
    // deno-coverage-ignore -- the compiler asks for it: the registry writes records alone
    const own = operations.flatMap((operation) => "key" in operation ? [encodeKey(operation.key)] : []);
    if (fit.length > 0 && (weight > maxBatchSize || own.some((key) => keys.has(key)))) break;
    fit.push(change);
    for (const key of own) keys.add(key);
  }
  return fit;
}

/** Whose check it was; the head's own is nobody's, and everybody tries again. */
function refused(changes: readonly Change[], index: number): Map<Change, ChangeResult> {
  let first = 0;
  for (const change of changes) {
    const own = index - first;
    if (own >= 0 && own < change.checks.length) return new Map([[change, { committed: false, index: own }]]);
    first += change.checks.length;
  }
  return new Map();
}

function committed(changes: readonly Change[], results: readonly OperationResult[]): Map<Change, ChangeResult> {
  let first = 0;
  return new Map(changes.map((change) => {
    const own = results.slice(first, first += change.operations.length);
    return [change, { committed: true, results: own }] as const;
  }));
}

/** The version that a commit gave a record, by the index of the operation that wrote it. */
export function versionOf(results: readonly OperationResult[], index: number): string {
  const result = results[index];
  if (result?.type !== "set") throw new TypeError(`Cannot tell a version: operation ${index} set nothing`);
  return result.version;
}
