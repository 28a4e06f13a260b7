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
  /** What ran into the limit, for the error: "Cannot finish <what>: ...". */
  readonly what: string;
}

/**
 * Runs `run`, and rejects as soon as the time limit passes or the signal is aborted, whether `run` heeds its own signal
 * or not. Leaves no timer and no listener behind.
 *
 * @throws {DOMException} Named `TimeoutError`, when the time limit passes.
 * @throws The signal's reason, when it is aborted; `run` is not called when it was aborted before.
 */
export function runBounded<Result>(
  run: (signal: AbortSignal) => Result | PromiseLike<Result>,
  { clock, limitMs, signal, what }: RunBounds,
): Promise<Result> {
  return new Promise<Result>((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const controller = new AbortController();
    const end = (reason: unknown) => {
      release();
      reject(reason);
      controller.abort(reason);
    };
    const onAbort = () => end(signal?.reason);
    const cancel = limitMs === undefined ? null : clock.setTimer(() => end(timeLimitError(what, limitMs)), limitMs);
    const release = () => {
      cancel?.();
      signal?.removeEventListener("abort", onAbort);
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    const settle = async () => await run(controller.signal); // also turns a throw into a rejection
    settle().finally(release).then(resolve, reject);
  });
}

/** The error of a run that took too long: the platform's own, as `AbortSignal.timeout` gives. */
export function timeLimitError(what: string, limitMs: number, options?: ErrorOptions): DOMException {
  const error = new DOMException(`Cannot finish ${what}: it took longer than ${limitMs} ms`, "TimeoutError");
  if (options) Object.defineProperty(error, "cause", { value: options.cause, configurable: true, writable: true });
  return error;
}
