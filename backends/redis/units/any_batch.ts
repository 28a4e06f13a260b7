/** A batch of anything. @module */

import type { OperationResult } from "../../../src/storage/backend.ts";
import type { PreparedLease, PreparedOperation } from "../../../src/storage/batch.ts";
import { isToken } from "../stored.ts";
import { bodyOf, enqueueOptions } from "./enqueues.ts";
import {
  requireList,
  requireText,
  type StepOutcome,
  type TextBatch,
  type Tokens,
  unexpected,
  type Unit,
} from "./unit.ts";

/** A batch of anything, done operation by operation. */
export class AnyBatch implements Unit {
  readonly #batch: TextBatch;
  readonly #call: number;
  readonly #tokens: Tokens | undefined;

  constructor(batch: TextBatch, call: number, tokens: Tokens | undefined) {
    this.#batch = batch;
    this.#call = call;
    this.#tokens = tokens;
  }

  write(args: string[]): void {
    const { checks, operations, notify } = this.#batch;
    args.push("batch", String(checks.length), String(operations.length), String(notify.length));
    for (const { key, version } of checks) args.push(key, version ?? "");
    operations.forEach((operation, index) => {
      args.push(operation.type, ...fieldsOf(operation));
      if (operation.type === "purge") args.push(this.#tokens?.get(index) ?? "");
    });
    args.push(...notify);
  }

  read(reply: unknown, give: (call: number, outcome: StepOutcome) => void): void {
    const [reason, ...rest] = requireList(reply);
    if (reason === "done") {
      const results = this.#batch.operations.map((operation, index) => toResult(operation.type, rest[index]));
      give(this.#call, { committed: true, results });
    } else if (reason === "unknown") {
      give(this.#call, { batch: this.#batch, tokens: this.#tokens, unknown: rest.map(Number) });
    } else if (reason === "conflict" || reason === "full" || reason === "lease_lost") {
      give(this.#call, { committed: false, reason, index: Number(rest[0]) });
    } else {
      throw unexpected(reply);
    }
  }
}

/** What the script reads for an operation, in its order. */
function fieldsOf(operation: PreparedOperation<string>): string[] {
  switch (operation.type) {
    case "set":
      return [
        operation.key,
        operation.expiresInMs === null ? "" : String(Math.ceil(operation.expiresInMs)),
        operation.tracked ? "1" : "0",
        operation.value,
      ];
    case "delete":
      return [operation.key];
    case "enqueue":
      return [...enqueueOptions(operation), operation.id, bodyOf(operation)];
    case "ack":
      return leaseOf(operation);
    case "retry":
      return [...leaseOf(operation), String(Math.ceil(operation.delayMs)), errorOf(operation.error)];
    case "bury":
      return [...leaseOf(operation), errorOf(operation.error)];
    case "extend":
      return [...leaseOf(operation), String(Math.ceil(operation.leaseMs))];
    case "redrive":
    case "purge":
      return [operation.queue, operation.id];
  }
}

function toResult(type: PreparedOperation<string>["type"], reply: unknown): OperationResult {
  switch (type) {
    case "set":
      return { type, version: requireText(reply) };
    case "delete":
      return { type, existed: reply === 1 };
    case "enqueue":
      return { type, duplicate: reply === 1 };
    case "ack":
    case "bury":
      return { type };
    case "retry":
      if (reply !== "ready" && reply !== "delayed" && reply !== "dead") throw unexpected(reply);
      return { type, state: reply };
    case "extend":
      return { type, leaseExpiresAtMs: Number(reply) };
    case "redrive":
    case "purge":
      return { type, found: reply === 1 };
  }
}

function leaseOf({ queue, id, token }: PreparedLease): string[] {
  return [queue, id, toToken(token)];
}

/** A token as the script takes it: empty, which is that of no lease, where it has not the form of one. */
function toToken(token: string): string {
  return isToken(token) ? token : "";
}

/** Empty where there is none, else behind a plus: an error may be empty too. */
function errorOf(error: string | null): string {
  return error === null ? "" : `+${error}`;
}
