/** Runs a function under a time limit and a caller's signal, and hands it the signal that joins both. @module */

import type { Clock } from "../clock.ts";

/** What bounds a run. */
export interface RunBounds {
  /** The source of time. */
  readonly clock: Clock;
  /** How long the run may take, in milliseconds; no timer is set without one. */
  readonly limitMs?: number | undefined;
  /** The caller's signal. */
  readonly signal?: AbortSignal | undefined;
  /** How long the run may still take once the signal is aborted, in milliseconds. @default {0} */
  readonly graceMs?: number | undefined;
  /** What ran into the limit, for the error: "Cannot finish <what>: ...". */
  readonly what: string;
  /** Makes the error of a run that is too long. @default {one that names `what` and `limitMs`} */
  readonly limitError?: (() => DOMException) | undefined;
}

/** What a run is given. */
export interface BoundedRun {
  /**
   * Aborted when the run is to end. Made when it is first asked for: most runs do without, and it costs a microsecond.
   */
  readonly signal: AbortSignal;
}

/**
 * Runs `run`, and rejects as soon as the time limit passes or the signal is aborted, whether `run` heeds its own signal
 * or not. Leaves no timer and no listener behind; what `run` comes to after all is the caller's to see to.
 *
 * @throws {DOMException} Named `TimeoutError`, when the time limit passes.
 * @throws The signal's reason, when it is aborted; `run` is not called when it was aborted before.
 */
export function runBounded<Result>(
  run: (bounded: BoundedRun) => Result | PromiseLike<Result>,
  { clock, limitMs, signal, graceMs, what, limitError }: RunBounds,
): Promise<Result> {
  return new Promise<Result>((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const bounded = new LazySignal();
    const end = (reason: unknown) => {
      release();
      reject(reason);
      bounded.abort(reason);
    };
    const onAbort = () => {
      if (graceMs === undefined) return end(signal?.reason);
      cancel?.();
      cancel = clock.setTimer(() => end(signal?.reason), graceMs);
    };
    let cancel = limitMs === undefined
      ? null
      : clock.setTimer(() => end(limitError ? limitError() : timeLimitError(what, limitMs)), limitMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    const release = () => {
      cancel?.();
      signal?.removeEventListener("abort", onAbort);
    };
    const succeed = (result: Result) => {
      release();
      resolve(result);
    };
    const fail = (error: unknown) => {
      release();
      reject(error);
    };
    try {
      Promise.resolve(run(bounded)).then(succeed, fail);
    } catch (error) {
      fail(error);
    }
  });
}

class LazySignal implements BoundedRun {
  #controller: AbortController | null = null;
  #ended: { readonly reason: unknown } | null = null;

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#ended) this.#controller.abort(this.#ended.reason);
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#ended = { reason };
    this.#controller?.abort(reason);
  }
}

/** The error of a run that took too long: the platform's own, as `AbortSignal.timeout` gives. */
export function timeLimitError(what: string, limitMs: number, options?: ErrorOptions): DOMException {
  const error = new DOMException(`Cannot finish ${what}: it took longer than ${limitMs} ms`, "TimeoutError");
  if (options) Object.defineProperty(error, "cause", { value: options.cause, configurable: true, writable: true });
  return error;
}
