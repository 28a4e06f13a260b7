/** One message that is being handled: what its handler is given, and what ends it early. @module */

import type { Batch } from "../storage/backend.ts";
import type { BagItem } from "../storage/bag.ts";
import type { AgentMessage, QueueMessage } from "./model.ts";
import type { AgentProxy, ProcessContext, ProcessResult } from "./worker.ts";

/**
 * Runs a handler until it ends or is aborted, whichever comes first: one that ignores its signal blocks nobody. The
 * signal is made only for a handler that asks for it; making and unmaking one costs more than the rest of handling a
 * message.
 */
export class Handling implements ProcessContext, BagItem {
  bagIndex = 0;
  readonly attempt: number;
  readonly queueMessage: QueueMessage;
  /** What is to happen together with the acknowledgement. */
  readonly batches: Batch[] = [];
  /** A function of its own, since handlers take it out of their context. */
  readonly also = (...batches: readonly Batch[]): void => void this.batches.push(...batches);
  #controller: AbortController | null = null;
  #aborted: { readonly reason: unknown } | null = null;
  #reject: ((reason: unknown) => void) | null = null;

  /** Nothing runs yet. */
  constructor(queueMessage: QueueMessage, attempt: number) {
    this.queueMessage = queueMessage;
    this.attempt = attempt;
  }

  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#aborted.reason);
    }
    return this.#controller.signal;
  }

  /** What the handler comes to; rejects with the reason as soon as it is aborted. */
  run(proxy: AgentProxy, message: AgentMessage): ProcessResult | Promise<ProcessResult> {
    const result = proxy.process(message, this);
    if (!isThenable(result)) return result;
    return new Promise((resolve, reject) => {
      this.#reject = reject;
      result.then(resolve, reject);
      if (this.#aborted) reject(this.#aborted.reason);
    });
  }

  /** Ends it early. Only the first reason counts. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = { reason };
    this.#controller?.abort(reason);
    this.#reject?.(reason);
  }
}

/** Queries of databases are promises of a kind, and promises of another realm no `Promise` of this one. */
function isThenable(result: ProcessResult | PromiseLike<ProcessResult>): result is PromiseLike<ProcessResult> {
  return typeof result === "object" && typeof result?.then === "function";
}
