/** Listens to a backend that is away as soon as it is back. @module */

import { type Clock, sleep } from "../../src/clock.ts";
import type { StorageBackend, Unlisten } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";

/** When to try, and until when. */
export interface LaterOptions {
  readonly isBack: () => boolean;
  readonly clock: Clock;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
}

/** Tries in the background until it listens, and wakes then, for whatever came while nobody listened. */
export function listenLater(
  backend: StorageBackend,
  topic: Key,
  wake: () => void,
  { isBack, clock, intervalMs, signal }: LaterOptions,
): Unlisten {
  const ended = new AbortController();
  const either = AbortSignal.any([ended.signal, signal]);
  const listening = (async (): Promise<Unlisten | null> => {
    while (!either.aborted) {
      await sleep(clock, intervalMs, either).catch(() => {});
      if (either.aborted || !isBack()) continue;
      const unlisten = await backend.listen(topic, wake).catch(() => null);
      if (unlisten === null) continue;
      wake();
      return unlisten;
    }
    return null;
  })();
  return async () => {
    ended.abort();
    await (await listening)?.();
  };
}
