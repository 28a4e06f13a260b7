/** Registrations: made, changed and ended by compare-and-set, each together with its event. @module */

import { monotonicMs } from "../clock.ts";
import { BackendUnavailableError, OutcomeUnknownError } from "../errors.ts";
import { runBounded } from "../resilience/time_limit.ts";
import type { Check, Entry, Operation, StorageBackend } from "../storage/backend.ts";
import type { JsonValue } from "../storage/json.ts";
import { type AgentKeys, describeAgent } from "./agent_keys.ts";
import { type Change, type EventLog, versionOf } from "./event_log.ts";
import { type LocalAgent, parseState } from "./local_agent.ts";
import {
  decodeMember,
  decodePast,
  encodeMember,
  encodePast,
  encodeSession,
  type MemberRecord,
  type PastRecord,
} from "./records.ts";
import type { RegistryConfig } from "./registry_options.ts";

// Each lost race means that another process has changed the same agent.
const MAX_TRIES = 100;

/** So long it is looked what became of a write whose answer was lost: its caller has waited for a whole call. */
const AFTERLOOK_MS = 500;

/** What a registration found. */
export interface Joined {
  /** The state that was saved last, if any was. */
  readonly state?: JsonValue;
}

/** How to register. */
interface JoinOptions {
  /** Whether to leave the name to whoever holds it. */
  readonly onlyIfFree?: boolean;
  /** The agent of this process that held the name, which has been asked for its state. */
  readonly former?: LocalAgent | undefined;
}

/** What has become of a registration of this process. */
export type Standing = "held" | "gone" | "superseded";

/** The registrations of one namespace. */
export class Membership {
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

  /**
   * Registers an agent in its session, as a new incarnation. Who held the name before is superseded, and where that is
   * `former`, its present state is handed on; with `onlyIfFree`, `null` says that somebody holds it.
   */
  async join(local: LocalAgent, { onlyIfFree = false, former }: JoinOptions = {}): Promise<Joined | null> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const [member = null, past = null] = await this.#backend.get([
        this.#keys.member(local.id),
        this.#keys.past(local.id),
      ]);
      if (member && onlyIfFree) return null;
      const holder = decodeMember(member?.value);
      const lived = decodePast(past?.value);
      const handed = former && holder?.incarnation === former.incarnation ? former.exported : null;
      const state = handed === null ? lived?.state : parseState(handed);
      const incarnation = Math.max(
        Math.floor(this.#config.clock.now()), // after so long a time that every record has gone, it is larger still
        (holder?.incarnation ?? 0) + 1,
        (lived?.incarnation ?? 0) + 1,
      );
      const version = await this.#tryJoin(local, { incarnation, ...(state !== undefined && { state }) }, member, past);
      if (version === null) continue;
      local.incarnation = incarnation;
      local.version = version;
      local.writtenAtMs = monotonicMs(this.#config.clock);
      return state === undefined ? {} : { state };
    }
    throw raceLost("register", local);
  }

  /** Ends a registration, keeping the agent's state; `false` when it had ended before. */
  async leave(local: LocalAgent): Promise<boolean> {
    const state = local.exported ?? local.savedState;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const change: Change = {
        checks: [this.check(local)],
        operations: [
          { type: "delete", key: this.#keys.member(local.id) },
          this.setPast(local, state),
          ...(local.session.isShared ? [] : this.deleteSession(local.session.id)),
        ],
        events: [{ type: "leave", agentId: local.id, incarnation: local.incarnation }],
      };
      try {
        if ((await this.#log.commit(change)).committed) return true;
        if (await this.standing(local) !== "held") return false;
      } catch (error) {
        // Where it is gone by now, it was this that has ended it, or a death that came just before: either way it is
        // over.
        if (!(error instanceof OutcomeUnknownError)) throw error;
        if (await this.#afterLook(() => this.standing(local), error) === "held") throw error;
        return true;
      }
    }
    throw raceLost("deregister", local);
  }

  /** Tells another status; `false` when the registration has ended. */
  async setStatus(local: LocalAgent, status: string): Promise<boolean> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const result = await this.#log.commit({
        checks: [this.check(local)],
        operations: [this.setMember(local, { status })],
        events: [{ type: "status", agentId: local.id, incarnation: local.incarnation, status }],
      });
      if (result.committed) {
        local.status = status;
        local.version = versionOf(result.results, 0);
        return true;
      }
      if (await this.standing(local) !== "held") return false;
    }
    throw raceLost("set the status of", local);
  }

  /** What has become of a registration; where it is held, its version is known again. */
  async standing(local: LocalAgent): Promise<Standing> {
    const [standing = "gone"] = await this.standings([local]);
    return standing;
  }

  /** What has become of registrations, in one read. */
  async standings(locals: readonly LocalAgent[]): Promise<Standing[]> {
    const entries = await this.#backend.get(locals.map((local) => this.#keys.member(local.id)));
    return locals.map((local, index) => {
      const entry = entries[index] ?? null;
      if (entry === null) return "gone";
      if (decodeMember(entry.value)?.incarnation !== local.incarnation) return "superseded";
      local.version = entry.version;
      return "held";
    });
  }

  /** Requires that a registration is as it was left here. */
  check(local: LocalAgent): Check {
    return { key: this.#keys.member(local.id), version: local.version };
  }

  /** Writes an agent's record, with some of it changed. */
  setMember(local: LocalAgent, changes: Partial<MemberRecord> = {}): Operation {
    return {
      type: "set",
      key: this.#keys.member(local.id),
      value: encodeMember({ ...local.record, ...changes }),
      expiresInMs: this.#config.recordTtlMs,
    };
  }

  /** Writes what is to outlive an agent: its incarnation, and its state where it has one. */
  setPast({ id, incarnation }: LocalAgent, state: string | null): Operation {
    return {
      type: "set",
      key: this.#keys.past(id),
      value: encodePast({ incarnation, ...(state !== null && { state: parseState(state) }) }),
      expiresInMs: this.#config.stateRetentionMs,
    };
  }

  /** Deletes a session that nobody lives by any more. */
  deleteSession(id: string): Operation[] {
    return [this.#keys.session(id), this.#keys.alive(id), this.#keys.known(id)].map((key) => ({ type: "delete", key }));
  }

  /** Commits a registration, and gives the version of its record; `null` when another was faster. */
  async #tryJoin(
    local: LocalAgent,
    lives: PastRecord,
    member: Entry | null,
    past: Entry | null,
  ): Promise<string | null> {
    const { id, session, metadata } = local;
    const { incarnation } = lives;
    const former = decodeMember(member?.value);
    const begins = session.version === null;
    const change: Change = {
      checks: [
        { key: this.#keys.member(id), version: member?.version ?? null },
        { key: this.#keys.past(id), version: past?.version ?? null },
      ],
      operations: [
        this.setMember(local, { incarnation }),
        {
          type: "set",
          key: this.#keys.past(id),
          value: encodePast(lives),
          expiresInMs: this.#config.stateRetentionMs,
        },
        ...(begins ? session.operations() : []),
        ...(former && former.session !== session.id ? [this.#touch(former.session)] : []),
      ],
      events: [{
        type: "join",
        agentId: id,
        incarnation,
        metadata,
        ...(former && { replaces: former.incarnation }),
      }],
    };
    try {
      const result = await this.#log.commit(change);
      if (!result.committed) return null;
      if (begins) session.beaten(result.results, 2);
      return versionOf(result.results, 0);
    } catch (error) {
      if (!(error instanceof OutcomeUnknownError)) throw error;
      const [entry] = await this.#afterLook(() => this.#backend.get([this.#keys.member(id)]), error);
      const stored = decodeMember(entry?.value);
      if (!entry || stored?.incarnation !== incarnation || stored.session !== session.id) throw error;
      return entry.version; // it has happened; the session's version comes to light with its next heartbeat
    }
  }

  /** Looks what became of a write whose answer was lost; where the store is still away, that remains unknown. */
  #afterLook<Found>(look: () => Promise<Found>, unknown: OutcomeUnknownError): Promise<Found> {
    const bounds = { clock: this.#config.clock, limitMs: AFTERLOOK_MS, what: "the look" };
    return runBounded(look, bounds).catch(() => {
      throw unknown;
    });
  }

  /** Has the next heartbeat of a session refused, so that its holder looks what it has lost. */
  #touch(session: string): Operation {
    const { ttlMs, suspicionMs, recordTtlMs } = this.#config;
    return {
      type: "set",
      key: this.#keys.session(session),
      value: encodeSession({ ttlMs, suspicionMs }),
      expiresInMs: recordTtlMs,
    };
  }
}

function raceLost(action: string, { id }: LocalAgent): BackendUnavailableError {
  return new BackendUnavailableError(
    `Cannot ${action} the agent ${describeAgent(id)}: ${MAX_TRIES} tries met another process's`,
  );
}
