/** A place to test mutants in, one at a time: a worker, with another in its stead when it does not answer. @module */

import type { Trial, TrialResult } from "./trial.ts";

// Endless loops are found by their turns. This is for what repeats itself without a loop, on a busy machine too.
const MAX_WAIT_MS = 120_000;

/** Tests mutants without touching the checkout. */
export class Sandbox implements Disposable {
  #worker = newWorker();

  /** Tests one. */
  async test(trial: Trial): Promise<TrialResult> {
    const { promise, resolve } = Promise.withResolvers<TrialResult | null>();
    const timer = setTimeout(() => resolve(null), MAX_WAIT_MS);
    this.#worker.onmessage = ({ data }: MessageEvent<TrialResult>) => resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      resolve({ outcome: "failed", turns: 0 });
      this.#replace();
    };
    this.#worker.postMessage(trial);
    const result = await promise;
    clearTimeout(timer);
    if (result) return result;
    this.#replace();
    return { outcome: "timed out", turns: 0 };
  }

  #replace(): void {
    this.#worker.terminate();
    this.#worker = newWorker();
  }

  /** Ends the worker. */
  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}

function newWorker(): Worker {
  return new Worker(new URL("./trial.ts", import.meta.url), { type: "module" });
}
