/** Stands in for @std/async where its registry cannot be reached: the same names and signatures over node:timers. @module */

import { setTimeout as wait } from "node:timers/promises";

export interface DelayOptions {
  signal?: AbortSignal;
  persistent?: boolean;
}

export async function delay(ms: number, options: DelayOptions = {}): Promise<void> {
  const { signal, persistent = true } = options;
  signal?.throwIfAborted();
  try {
    await wait(ms, undefined, { ...(signal && { signal }), ref: persistent });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
}

export interface DeadlineOptions {
  signal?: AbortSignal;
}

export async function deadline<T>(p: Promise<T>, ms: number, options: DeadlineOptions = {}): Promise<T> {
  const over = new AbortController();
  const signal = options.signal ? AbortSignal.any([over.signal, options.signal]) : over.signal;
  const timer = wait(ms, undefined, { signal }).then(() => {
    throw new DOMException("Signal timed out.", "TimeoutError");
  }, () => {
    options.signal?.throwIfAborted();
    return p;
  });
  try {
    return await Promise.race([p, timer]);
  } finally {
    over.abort();
  }
}
