/** Stands in for @std/async where its registry cannot be reached: the same names and signatures over setTimeout. @module */

export interface DelayOptions {
  signal?: AbortSignal;
}

export function delay(ms: number, options: DelayOptions = {}): Promise<void> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal?.addEventListener("abort", abort, { once: true });
  });
}

export interface DeadlineOptions {
  signal?: AbortSignal;
}

export async function deadline<T>(p: Promise<T>, ms: number, options: DeadlineOptions = {}): Promise<T> {
  const inTime = new AbortController();
  const signal = options.signal ? AbortSignal.any([inTime.signal, options.signal]) : inTime.signal;
  const tooLate = delay(ms, { signal }).then(() => {
    throw new DOMException("The operation was aborted due to timeout", "TimeoutError");
  });
  try {
    return await Promise.race([p, tooLate]);
  } finally {
    inTime.abort();
  }
}
