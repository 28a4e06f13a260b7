/** Removes the agents of dead sessions, with one event each, unless so many die at once that it is doubtful. @module */

import { recordDeath, recordHold } from "../observability/primitive_telemetry.ts";
import type { StorageBackend } from "../storage/backend.ts";
import type { Key } from "../storage/key.ts";
import { partsOf } from "../storage/parts.ts";
import type { AgentKeys } from "./agent_keys.ts";
import type { EventLog } from "./event_log.ts";
import { type Census, type HoldState, judge } from "./liveness.ts";
import { decodeMember } from "./records.ts";
import type { RegistryConfig } from "./registry_options.ts";
import type { SeenSession } from "./sessions.ts";

/** A dead agent, as its record was found. */
interface Dead {
  readonly key: Key;
  readonly version: string;
  readonly incarnation: number;
  readonly session: string;
}

/** The agents of one type. */
interface Type {
  total: number;
  silent: number;
  readonly silentSessions: Set<string>;
  readonly dead: Dead[];
}

/** Declares deaths. Whoever is first writes the event, and everybody else is refused. */
export class Reaper {
  readonly #backend: StorageBackend;
  readonly #keys: AgentKeys;
  readonly #log: EventLog;
  readonly #config: RegistryConfig;

  /** Writes through `log`. */
  constructor(backend: StorageBackend, keys: AgentKeys, log: EventLog, config: RegistryConfig) {
    this.#backend = backend;
    this.#keys = keys;
    this.#log = log;
    this.#config = config;
  }

  /** Removes the agents of dead sessions, and those sessions of which no agent is left. */
  async reap(sessions: ReadonlyMap<string, SeenSession>, deadSessions: ReadonlySet<string>): Promise<void> {
    const types = await this.#count(sessions, deadSessions);
    const othersAlive = [...sessions.values()].some(({ alive }) => alive);
    const lasting = new Set<string>();
    for (const [name, type] of types) {
      if (type.dead.length === 0) continue;
      const { total, silent, silentSessions } = type;
      const census = { total, silent, silentSessions: silentSessions.size, othersAlive };
      if (await this.#mayDie(name, census)) await Promise.all(type.dead.map((dead) => this.#declareDead(dead)));
      else for (const { session } of type.dead) lasting.add(session);
    }
    await this.#forget([...sessions].filter(([id]) => deadSessions.has(id) && !lasting.has(id)));
  }

  /** Reads all agents, in pages: only by their whole number is it known how many a few are. */
  async #count(
    sessions: ReadonlyMap<string, SeenSession>,
    deadSessions: ReadonlySet<string>,
  ): Promise<Map<string, Type>> {
    const types = new Map<string, Type>();
    for await (const { key, value, version } of this.#backend.list(this.#keys.members())) {
      const member = decodeMember(value);
      if (member === null) continue;
      const { type } = this.#keys.agentOf(key);
      const counted = types.get(type) ?? { total: 0, silent: 0, silentSessions: new Set(), dead: [] };
      types.set(type, counted);
      const { session, incarnation } = member;
      counted.total++;
      if (sessions.get(session)?.alive !== false) continue; // alive, or registered since the sessions were read
      counted.silent++;
      counted.silentSessions.add(session);
      if (deadSessions.has(session)) counted.dead.push({ key, version, incarnation, session });
    }
    return types;
  }

  /** Whether the dead of a type may be declared dead; begins to hold them back where that is due. */
  async #mayDie(type: string, census: Census): Promise<boolean> {
    const { hold: rule } = this.#config;
    if (judge(census, "none", rule) === "expire") return true;
    const verdict = judge(census, await readHold(this.#backend, this.#keys, type), rule);
    if (verdict === "hold") await this.#beginHold(type, census);
    return verdict === "expire";
  }

  async #beginHold(type: string, { silent, total }: Census): Promise<void> {
    const { holdMs, ttlMs } = this.#config;
    const { committed } = await this.#log.commit({
      checks: [{ key: this.#keys.held(type), version: null }],
      operations: [
        { type: "set", key: this.#keys.hold(type), value: 1, expiresInMs: holdMs },
        { type: "set", key: this.#keys.held(type), value: 1, expiresInMs: 2 * holdMs + ttlMs },
      ],
      events: [{ type: "expiry_held", agentType: type, silent, total, heldForMs: holdMs }],
    });
    if (committed) recordHold(type);
  }

  /** Refused when somebody else was first, or when the agent was heard of in the meantime: both are fine. */
  async #declareDead({ key, version, incarnation, session }: Dead): Promise<void> {
    const agentId = this.#keys.agentOf(key);
    const { committed } = await this.#log.commit({
      checks: [{ key, version }, { key: this.#keys.known(session), version: null }],
      operations: [{ type: "delete", key }],
      events: [{ type: "death", agentId, incarnation }],
    });
    if (committed) recordDeath(agentId.type);
  }

  /**
   * Deletes sessions; each requires that it was not heard of, so one that was keeps the others waiting for the next
   * look.
   */
  async #forget(sessions: readonly (readonly [id: string, session: SeenSession])[]): Promise<void> {
    const sessionsABatch = Math.floor(this.#backend.traits.maxBatchSize / 3); // two checks and a deletion for each
    for (const some of partsOf(sessions, sessionsABatch)) {
      await this.#backend.commit({
        checks: some.flatMap(([id, { version }]) => [
          { key: this.#keys.session(id), version },
          { key: this.#keys.known(id), version: null },
        ]),
        operations: some.map(([id]) => ({ type: "delete", key: this.#keys.session(id) })),
      });
    }
  }
}

/** How far a hold on the deaths of a type has come: one mark expires at its end, the other some time after that. */
export async function readHold(backend: StorageBackend, keys: AgentKeys, type: string): Promise<HoldState> {
  const [running, begun] = await backend.get([keys.hold(type), keys.held(type)]);
  if (running) return "running";
  return begun ? "over" : "none";
}
