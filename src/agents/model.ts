/** What the registry knows about agents, and what it is given. @module */

import type { AgentId } from "../messages/model.ts";
import type { JsonObject, JsonValue } from "../storage/json.ts";

/** An agent that can be registered. */
export interface RegistryAgent {
  /** Names it: one registration at a time holds a name. */
  readonly id: AgentId;
  /** What others may want to know about it: its model, its host, what it is able to do. @default {{}} */
  readonly metadata?: JsonObject;
  /**
   * Gives the state to keep; `undefined` keeps what was saved last. Called with each heartbeat, and never again before
   * it has settled; written when it has changed.
   */
  exportState?(): JsonValue | undefined | Promise<JsonValue | undefined>;
  /** Takes back the state that was saved last under this name, by whichever process. Called once, by `register`. */
  importState?(state: JsonValue): void | Promise<void>;
}

/** A registration that has just been made. */
export interface Registration {
  /** Whose it is. */
  readonly agentId: AgentId;
  /** Larger than that of any registration of this agent before. */
  readonly incarnation: number;
  /** Whether a saved state was handed to `importState`. */
  readonly restored: boolean;
}

/**
 * Whether an agent is heard of: `alive` until its TTL, then `suspect`, then `dead`. An agent that is dead is still
 * listed for the moment until somebody has noticed.
 */
export type Liveness = "alive" | "suspect" | "dead";

/** What is known of a registered agent. */
export interface LocalAgentInfo {
  /** Which agent it is. */
  readonly agentId: AgentId;
  /** Larger for each registration of the agent. */
  readonly incarnation: number;
  /** What the agent was given at registration. */
  readonly metadata: JsonObject;
  /** What `setStatus` was told last. */
  readonly status?: string;
  /** When it was registered, by the clock of its own host: ISO 8601. */
  readonly registeredAt: string;
}

/** An agent as every process sees it. */
export interface AgentInfo extends LocalAgentInfo {
  /** Whether it has been heard of lately. */
  readonly liveness: Liveness;
}

/** The agents at one time. */
export interface RegistrySnapshot {
  /** Those that were registered here, without a look at the store. */
  readonly local: readonly LocalAgentInfo[];
  /** Those of all processes, these included. */
  readonly shared: readonly AgentInfo[];
}

/** Which agents to list. */
export interface ListAgentsOptions {
  /** Only those of one type. @default {all} */
  readonly type?: string;
}

/** What to watch. */
export interface WatchOptions {
  /** Only agents of one type. @default {all} */
  readonly type?: string;
  /** Ends the watch when it is aborted: the iterator is done. */
  readonly signal?: AbortSignal;
}

/** Something that happened to an agent, as `watch` tells it. */
export type AgentEvent =
  | JoinEvent
  | LeaveEvent
  | DeathEvent
  | SuspectEvent
  | BackEvent
  | StatusEvent
  | ExpiryHeldEvent;

/** What all events about one agent say. */
export interface AgentEventBase {
  /** Which agent it is. */
  readonly agentId: AgentId;
  /** Which of its lives: a successor has a higher one. */
  readonly incarnation: number;
  /**
   * The event was found by comparing what was known with what is: the watch had lagged behind so long that the record
   * of the event had expired.
   */
  readonly inferred?: true;
}

/** An agent was registered. One for each incarnation, in the whole fleet. */
export interface JoinEvent extends AgentEventBase {
  /** Names the event. */
  readonly type: "join";
  /** What the agent was registered with. */
  readonly metadata: JsonObject;
  /** The incarnation that lost the name to this one without having left it. */
  readonly replaces?: number;
}

/** An agent was deregistered. */
export interface LeaveEvent extends AgentEventBase {
  /** Names the event. */
  readonly type: "leave";
}

/** An agent was silent for longer than its TTL and the suspicion time. One for each death, by whoever noticed first. */
export interface DeathEvent extends AgentEventBase {
  /** Names the event. */
  readonly type: "death";
}

/** An agent was silent for longer than its TTL. Each watch finds it for itself. */
export interface SuspectEvent extends AgentEventBase {
  /** Names the event. */
  readonly type: "suspect";
}

/** A suspect was heard of again. */
export interface BackEvent extends AgentEventBase {
  /** Names the event. */
  readonly type: "back";
}

/** An agent has told a new status. */
export interface StatusEvent extends AgentEventBase {
  /** Names the event. */
  readonly type: "status";
  /** The new status. */
  readonly status: string;
}

/** So many agents of a type fell silent at once that none is declared dead for a while. One for the whole fleet. */
export interface ExpiryHeldEvent {
  /** Names the event. */
  readonly type: "expiry_held";
  /** The type of the agents. */
  readonly agentType: string;
  /** How many agents of the type were silent, and of how many. */
  readonly silent: number;
  /** How many agents of the type are registered. */
  readonly total: number;
  /** How long they are spared, in milliseconds. */
  readonly heldForMs: number;
}
