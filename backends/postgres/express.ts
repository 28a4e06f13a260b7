/** The usual commits, of one send or one acknowledgement each, as one statement and transaction. @module */

import type { CommitResult } from "../../src/storage/backend.ts";
import type { PreparedBatch, PreparedEnqueue, PreparedLease } from "../../src/storage/batch.ts";
import { type CommitterParts, SWEEP_AFTER_MS } from "./commit.ts";
import type { Connection } from "./connection.ts";
import type { Parameter } from "./driver.ts";
import { codeOf } from "./faults.ts";
import { numberOf } from "./ledger.ts";
import { arrayLiteral, escapeText } from "./text.ts";

/** An id that nobody had when the statement began is there: another process was faster. */
const UNIQUE_VIOLATION = "23505";

/** What became of a group: a result for each batch, `null` for those that have to be committed in the other way. */
export interface Sped {
  readonly results: readonly (CommitResult | null)[];
  readonly topics: ReadonlySet<string>;
  readonly added: number;
}

type Send = { readonly index: number; readonly operation: PreparedEnqueue<string>; readonly num: number };
type Ack = { readonly index: number; readonly operation: PreparedLease; readonly num: number };

const SENT: CommitResult = { committed: true, results: [{ type: "enqueue", duplicate: false }] };
const ACKNOWLEDGED: CommitResult = { committed: true, results: [{ type: "ack" }] };

/**
 * Commits groups in which all goes well: ids are new, queues have room, leases hold. Where not, it leaves the batch
 * alone. One round trip instead of four; at 50 at once, measured by `deno task bench:peers --only "postgres send"`.
 */
export class Express {
  readonly #parts: CommitterParts & { readonly connection: Connection };

  /** Made of these parts. */
  constructor(parts: CommitterParts & { readonly connection: Connection }) {
    this.#parts = parts;
  }

  /** Commits what it can; `null` where a batch in the group is none of the usual ones, so that their order is kept. */
  async run(batches: readonly PreparedBatch<string>[], deadlineMs: number, lockMs: number): Promise<Sped | null> {
    if (!batches.every(isUsual)) return null;
    const numbers = await this.#numbersOf(batches, deadlineMs, lockMs);
    const sends: Send[] = [];
    const acks: Ack[] = [];
    const topics = new Set<string>();
    for (const [index, { operations: [operation], notify }] of batches.entries()) {
      // deno-coverage-ignore -- the compiler asks for it: each batch is one send or acknowledgement
      const num = operation && "queue" in operation ? numbers.get(operation.queue) : undefined;
      if (!operation || num === undefined) continue;
      for (const topic of notify) topics.add(topic);
      if (operation.type === "enqueue") {
        sends.push({ index, operation, num });
        topics.add(operation.queue);
      } else if (operation.type === "ack") acks.push({ index, operation, num });
    }
    const results: (CommitResult | null)[] = batches.map(() => null);
    if (hasTwins(sends)) return { results, topics: new Set(), added: 0 };
    const [sent, acknowledged] = await this.#commit(sends, acks, topics, deadlineMs, lockMs);
    // deno-coverage-ignore -- the compiler asks for it: these are the sends that were made
    for (const nth of sent) results[sends[nth - 1]?.index ?? -1] = SENT;
    // deno-coverage-ignore -- the compiler asks for it: these are the acknowledgements that were made
    for (const nth of acknowledged) results[acks[nth - 1]?.index ?? -1] = ACKNOWLEDGED;
    return { results, topics: sent.length > 0 ? topics : new Set(), added: sent.length };
  }

  /** Which of the sends and acknowledgements were done, counted from 1. */
  async #commit(
    sends: readonly Send[],
    acks: readonly Ack[],
    topics: ReadonlySet<string>,
    deadlineMs: number,
    lockMs: number,
  ): Promise<[sent: readonly number[], acknowledged: readonly number[]]> {
    const { statements, namespace, notify, connection } = this.#parts;
    const nums = new Set([...sends, ...acks].map(({ num }) => num));
    const ofSends = (column: (operation: PreparedEnqueue<string>) => string | number) =>
      arrayLiteral(sends.map(({ operation }) => column(operation)));
    const parameters: Parameter[] = [
      namespace,
      notify.channel,
      notify.payload(topics),
      SWEEP_AFTER_MS,
      arrayLiteral([...nums]),
      arrayLiteral(sends.map(({ num }) => num)),
      ofSends(({ id }) => escapeText(id)),
      ofSends(({ value }) => value),
      ofSends(({ priority }) => priority),
      ofSends(({ delayMs }) => delayMs),
      ofSends(({ maxAttempts }) => maxAttempts),
      ofSends(({ dedupeMs }) => dedupeMs),
      ofSends(({ capacity }) => capacity),
      arrayLiteral(acks.map(({ num }) => num)),
      arrayLiteral(acks.map(({ operation }) => numberOf(operation.token))),
      arrayLiteral(acks.map(({ operation }) => escapeText(operation.id))),
      arrayLiteral(acks.map(({ operation }) => escapeText(operation.token))),
    ];
    const [row] = await connection.write(deadlineMs, async (session) => {
      try {
        return await session.query(statements.express, [...parameters, String(lockMs)]);
      } catch (error) {
        if (codeOf(error) === UNIQUE_VIOLATION) return [];
        throw error;
      }
    });
    return [numbersIn(row?.sent), numbersIn(row?.acknowledged)];
  }

  async #numbersOf(
    batches: readonly PreparedBatch<string>[],
    deadlineMs: number,
    lockMs: number,
  ): Promise<ReadonlyMap<string, number>> {
    const { connection, queues } = this.#parts;
    const names = new Set<string>();
    const needed = new Set<string>();
    let isKnown = true;
    for (const { operations: [operation] } of batches) {
      // deno-coverage-ignore -- the compiler asks for it: each batch is one send or acknowledgement
      if (!operation || !("queue" in operation)) continue;
      names.add(operation.queue);
      if (operation.type === "enqueue") needed.add(operation.queue);
      isKnown &&= queues.get(operation.queue) !== undefined;
    }
    if (!isKnown) return await connection.read(deadlineMs, (session) => queues.find(session, names, needed, lockMs));
    // deno-coverage-ignore -- the compiler asks for it: each of them is known
    return new Map(Array.from(names, (name) => [name, queues.get(name) ?? 0]));
  }
}

/** Whether a batch is one send or one acknowledgement, and nothing else. */
function isUsual({ checks, operations }: PreparedBatch<string>): boolean {
  const [operation] = operations;
  return checks.length === 0 && operations.length === 1 && (operation?.type === "enqueue" || operation?.type === "ack");
}

/** Whether two messages have the same id. */
function hasTwins(sends: readonly Send[]): boolean {
  return new Set(sends.map(({ num, operation }) => `${num}:${operation.id}`)).size < sends.length;
}

function numbersIn(list: unknown): number[] {
  return typeof list === "string" ? list.split(",").map(Number) : [];
}
