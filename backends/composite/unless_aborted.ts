/** Waiting for a promise only as long as nobody aborts it. @module */

import { deferred } from "../../src/storage/es2024.ts";

/** What a promise comes to; `null` as soon as the signal is aborted. */
export async function unlessAborted<Result>(promise: Promise<Result>, signal: AbortSignal): Promise<Result | null> {
  const aborted = deferred<null>();
  const onAbort = () => aborted.resolve(null);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
