/** What a registry tells its own process; what happens to agents anywhere, `watch` tells. @module */

import { Emitter } from "../emitter.ts";
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

/** Tells those events, while nobody listens yet. */
export function registryEvents(): Emitter<RegistryEventMap> {
  return new Emitter({
    lost: new Set(),
    rejoined: new Set(),
    state_failed: new Set(),
    heartbeat_failed: new Set(),
    heartbeat_recovered: new Set(),
  });
}
