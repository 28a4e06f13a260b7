/** The clock that everything in the library reads, so that a test can put its own in its place. @module */

/** A source of time. Only this module touches the platform's clock and timers. */
export interface Clock {
  /** Milliseconds since the Unix epoch. It may be set back or forward, as hosts' clocks are. */
  now(): number;
  /**
   * Milliseconds since a moment of its own, by which durations are measured: it only goes on, at one pace.
   *
   * @default {now, of a clock that nobody sets}
   */
  monotonic?(): number;
  /** Calls `callback` once after `delayMs`, unless the returned function is called before. */
  setTimer(callback: () => void, delayMs: number): () => void;
}

// Deno loads its timers where they are first looked up, and lets waiting promises go on meanwhile: in the middle of
// whatever sets the first timer. Looked up here, they are there before anything waits.
void globalThis.setTimeout;

/** The longest delay that platform timers take without firing at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

// Test libraries fake `Date` and the timers, and few of them `performance`: while `Date` is not the platform's own, it
// tells durations too. Both count from the same moment, so that a fake may be put on and taken off in the middle.
const dateNow = Date.now;
const { timeOrigin } = performance;

/** The platform's own clock and timers, looked up at each call so that faked globals are honoured. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => Date.now === dateNow ? timeOrigin + performance.now() : Date.now(),
  setTimer: (callback, delayMs) => {
    const id = setTimeout(callback, Math.min(Math.max(delayMs, 0), MAX_TIMER_MS));
    return () => clearTimeout(id);
  },
};

/** What durations are measured by: two readings differ by the time that has passed, whatever was done to the clock. */
export function monotonicMs(clock: Clock): number {
  return clock.monotonic ? clock.monotonic() : clock.now();
}

/**
 * Waits `delayMs` on `clock`.
 *
 * @throws The signal's reason, at once when `signal` is aborted.
 */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.setTimer(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, delayMs);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
