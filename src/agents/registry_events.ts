/** What a registry tells its own process; what happens to agents anywhere, `watch` tells. @module */

import { requireFunction, requireOneOf } from "../check.ts";
import { tellSafely } from "../errors.ts";
import type { AgentId } from "../messages/model.ts";
import type { StaleIncarnationError } from "./stale_incarnation.ts";

/** What can be listened to, and what a listener is given. */
export interface RegistryEventMap {
  /** An agent of this process is registered no more: another holds its name, or it was declared dead. */
  readonly lost: { readonly agentId: AgentId; readonly incarnation: number; readonly error: StaleIncarnationError };
  /** An agent of this process was declared dead by mistake, and is registered again. */
  readonly rejoined: { readonly agentId: AgentId; readonly incarnation: number; readonly formerIncarnation: number };
  /** A state could not be exported or saved; the heartbeat went without it. */
  readonly state_failed: { readonly agentId: AgentId; readonly error: unknown };
  /** Heartbeats cannot be written: they are tried again until they can. Told once an outage. */
  readonly heartbeat_failed: { readonly error: unknown };
  /** Heartbeats are written again. */
  readonly heartbeat_recovered: Record<never, never>;
}

/** Listeners by type of event. A listener that throws harms neither the others nor the registry. */
export class RegistryEvents {
  readonly #listeners: { readonly [Type in keyof RegistryEventMap]: Set<(event: RegistryEventMap[Type]) => void> } = {
    lost: new Set(),
    rejoined: new Set(),
    state_failed: new Set(),
    heartbeat_failed: new Set(),
    heartbeat_recovered: new Set(),
  };

  /** Adds a listener, and returns the function that takes it away. */
  on<Type extends keyof RegistryEventMap>(type: Type, listener: (event: RegistryEventMap[Type]) => void): () => void {
    requireOneOf("type", type, Object.keys(this.#listeners));
    requireFunction("listener", listener);
    const listeners = this.#listeners[type];
    const own = (event: RegistryEventMap[Type]) => listener(event); // the same function may listen twice
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  /** Tells an event to those who listen to its type. */
  emit<Type extends keyof RegistryEventMap>(type: Type, event: RegistryEventMap[Type]): void {
    for (const listener of this.#listeners[type]) tellSafely(() => listener(event));
  }
}
