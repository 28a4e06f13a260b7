/** Who listens to which topic in this process. @module */

import { requireFunction } from "../check.ts";
import { tellSafely } from "../errors.ts";
import type { Unlisten } from "./backend.ts";

/**
 * A set of callbacks for each encoded topic. A callback that fails, now or later, harms neither the others nor the
 * waker.
 */
export class Listeners {
  readonly #byTopic = new Map<string, Set<() => void>>();

  /** How many topics are listened to. */
  get size(): number {
    return this.#byTopic.size;
  }

  /** The topics that are listened to. */
  topics(): string[] {
    return [...this.#byTopic.keys()];
  }

  /** Whether anybody listens to a topic. */
  has(topic: string): boolean {
    return this.#byTopic.has(topic);
  }

  /** Adds a callback; `onLast` is called when the topic has lost its last one. */
  add(topic: string, wake: () => void, onLast?: () => void | Promise<void>): Unlisten {
    requireFunction("wake", wake);
    let callbacks = this.#byTopic.get(topic);
    if (!callbacks) this.#byTopic.set(topic, callbacks = new Set());
    const own = () => wake(); // the same function may listen twice
    callbacks.add(own);
    return async () => {
      const current = this.#byTopic.get(topic);
      if (!current?.delete(own) || current.size > 0) return;
      this.#byTopic.delete(topic);
      await onLast?.();
    };
  }

  /** Wakes those who listen to a topic. */
  wake(topic: string): void {
    const callbacks = this.#byTopic.get(topic);
    if (callbacks === undefined) return;
    // Who begins to listen in a callback is woken by the next wake-up; who ends is not woken any more.
    for (const callback of [...callbacks]) if (callbacks.has(callback)) tellSafely(callback);
  }

  /** Wakes everybody, where the engine tells only that something has changed. */
  wakeAll(): void {
    for (const topic of this.topics()) this.wake(topic);
  }

  /** Forgets everybody. */
  clear(): void {
    this.#byTopic.clear();
  }
}

/** Stops listening, where anybody has begun to: where that failed or the backend has gone, there is nothing to stop. */
export async function endListening(listening: Promise<Unlisten | null> | null): Promise<void> {
  try {
    const unlisten = await listening;
    await unlisten?.();
  } catch {
    // It has ended already.
  }
}
