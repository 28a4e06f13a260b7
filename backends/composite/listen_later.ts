/** Listens to a backend that is away, once it is back. @module */

import { type Clock, sleep } from "../../src/clock.ts";
import type { StorageBackend, Unlisten } from "../../src/storage/backend.ts";
import type { Key } from "../../src/storage/key.ts";
import { endListening } from "../../src/storage/listeners.ts";

/** What is to be listened to, and when it is tried. */
export interface LaterListening {
  readonly backend: StorageBackend;
  readonly topic: Key;
  readonly wake: () => void;
  /** Whether the backend may be back. */
  readonly mayTry: () => boolean;
  readonly clock: Clock;
  readonly probeIntervalMs: number;
  /** Ends the tries. */
  readonly ending: AbortSignal;
}

/** Tries in the background until it listens, and wakes then for whatever came before. */
export function listenLater(
  { backend, topic, wake, mayTry, clock, probeIntervalMs, ending }: LaterListening,
): Unlisten {
  const ended = new AbortController();
  const signal = AbortSignal.any([ended.signal, ending]);
  const wakeUnlessEnded = () => {
    if (!ended.signal.aborted) wake();
  };
  const listening = (async (): Promise<Unlisten | null> => {
    while (!signal.aborted) {
      await sleep(clock, probeIntervalMs, signal).catch(() => {});
      if (signal.aborted || !mayTry()) continue;
      const unlisten = await backend.listen(topic, wakeUnlessEnded).catch(() => null);
      if (unlisten === null) continue;
      wakeUnlessEnded();
      return unlisten;
    }
    return null;
  })();
  return () => {
    ended.abort();
    void endListening(listening); // an attempt that is under way in an outage is not waited for
    return Promise.resolve();
  };
}
