/** Listeners by type of event, as a primitive tells its own process what happens to it. @module */

import { requireFunction, requireOneOf } from "./check.ts";
import { tellSafely } from "./errors.ts";

/** A set of listeners for each type of event. */
export type ListenerSets<EventMap> = { readonly [Type in keyof EventMap]: Set<(event: EventMap[Type]) => void> };

/** Tells events to those who listen to them. A listener that throws harms neither the others nor who tells. */
export class Emitter<EventMap> {
  readonly #listeners: ListenerSets<EventMap>;
  #count = 0;

  /** Takes an empty set for each type of event. */
  constructor(listeners: ListenerSets<EventMap>) {
    this.#listeners = listeners;
  }

  /** Whether anybody listens at all: where nobody does, an event that costs something need not even be made. */
  get watched(): boolean {
    return this.#count > 0;
  }

  /** Adds a listener, and returns the function that takes it away. */
  on<Type extends keyof EventMap>(type: Type, listener: (event: EventMap[Type]) => void): () => void {
    requireOneOf("type", type, Object.keys(this.#listeners));
    requireFunction("listener", listener);
    const listeners = this.#listeners[type];
    const own = (event: EventMap[Type]) => listener(event); // the same function may listen twice
    listeners.add(own);
    this.#count++;
    return () => {
      if (listeners.delete(own)) this.#count--;
    };
  }

  /** Tells an event to those who listen to its type. */
  emit<Type extends keyof EventMap>(type: Type, event: EventMap[Type]): void {
    for (const listener of this.#listeners[type]) tellSafely(() => listener(event));
  }
}
