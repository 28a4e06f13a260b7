/** Where the registry's records are. @module */

import { type AgentId, instanceOf } from "../messages/model.ts";
import type { Key } from "../storage/key.ts";

/** The keys of one namespace. */
export class AgentKeys {
  /** Above all sessions. */
  readonly sessions: Key;
  /** Above all events; also the topic that announces them. */
  readonly events: Key;
  /** How far the log of events has come. */
  readonly head: Key;
  readonly #root: Key;

  /** The keys below `namespace`. */
  constructor(namespace: Key) {
    this.#root = [...namespace, "agent"];
    this.sessions = [...this.#root, "session"];
    this.events = [...this.#root, "event"];
    this.head = [...this.#root, "log"];
  }

  /** Above all registered agents, or those of one type. */
  members(type?: string): Key {
    return [...this.#root, "member", ...(type === undefined ? [] : [type])];
  }

  /** A registered agent. */
  member(agent: AgentId): Key {
    return [...this.#root, "member", agent.type, instanceOf(agent)];
  }

  /** The agent whose record this is. */
  agentOf(member: Key): AgentId {
    const [type = "", instance = ""] = member.slice(-2);
    return { type, instance };
  }

  /** What outlives an agent: its last incarnation and its saved state. */
  past(agent: AgentId): Key {
    return [...this.#root, "past", agent.type, instanceOf(agent)];
  }

  /** A session: agents whose heartbeats travel together. */
  session(id: string): Key {
    return [...this.sessions, id];
  }

  /** The mark of a session that expires after the TTL. */
  alive(session: string): Key {
    return [...this.sessions, session, "alive"];
  }

  /** The mark of a session that expires after the TTL and the suspicion time. */
  known(session: string): Key {
    return [...this.sessions, session, "known"];
  }

  /** An event of the log. Keys are in the order of their numbers. */
  event(sequence: number): Key {
    return [...this.events, String(sequence).padStart(16, "0")];
  }

  /** There while deaths of a type are held back. */
  hold(type: string): Key {
    return [...this.#root, "hold", type];
  }

  /** There from the beginning of a hold until some time after its end, in which there is no other. */
  held(type: string): Key {
    return [...this.#root, "held", type];
  }
}

/** A string that names an agent in this process. */
export function nameOf(agent: AgentId): string {
  return JSON.stringify([agent.type, instanceOf(agent)]);
}

/** An agent in words, for messages. */
export function describeAgent(agent: AgentId): string {
  return `${agent.type}/${instanceOf(agent)}`;
}
