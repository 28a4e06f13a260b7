/** Reads who is registered, in pages, and who of them is heard of. @module */

import type { AgentId } from "../messages/model.ts";
import type { Entry, StorageBackend } from "../storage/backend.ts";
import type { AgentKeys } from "./agent_keys.ts";
import { judge, livenessOf, type SessionMarks } from "./liveness.ts";
import type { AgentInfo } from "./model.ts";
import { readHold } from "./reaper.ts";
import { decodeMember, type MemberRecord } from "./records.ts";
import type { RegistryConfig } from "./registry_options.ts";
import { readMarks } from "./sessions.ts";

/** So many agents are looked up together. */
const PAGE_SIZE = 500;

/** An agent with the session that it lives by. */
export interface RosterEntry {
  readonly info: AgentInfo;
  readonly session: string;
}

/** The agents of one namespace, as they are stored. */
export class Roster {
  readonly #backend: StorageBackend;
  readonly #keys: AgentKeys;
  readonly #config: RegistryConfig;

  /** Reads, and never writes. */
  constructor(backend: StorageBackend, keys: AgentKeys, config: RegistryConfig) {
    this.#backend = backend;
    this.#keys = keys;
    this.#config = config;
  }

  /** These agents, `null` where one is not registered; two reads. */
  async get(agents: readonly AgentId[]): Promise<(RosterEntry | null)[]> {
    const found = await this.#backend.get(agents.map((agent) => this.#keys.member(agent)));
    return await this.#withMarks(found, new Map());
  }

  /** All agents, or those of one type; two reads a page. */
  async *list(type?: string): AsyncGenerator<RosterEntry> {
    const marks = new Map<string, SessionMarks>();
    let page: Entry[] = [];
    for await (const entry of this.#backend.list(this.#keys.members(type))) {
      if (page.push(entry) < PAGE_SIZE) continue;
      yield* present(await this.#withMarks(page, marks));
      page = [];
    }
    yield* present(await this.#withMarks(page, marks));
  }

  /** Those of one type that are not dead; all of them where so many are silent that their deaths are held back. */
  async discover(type: string): Promise<AgentInfo[]> {
    const entries: RosterEntry[] = [];
    for await (const entry of this.list(type)) entries.push(entry);
    const isSpared = await this.#areDeathsHeld(type, entries);
    return entries.flatMap(({ info }) => {
      if (info.liveness !== "dead") return [info];
      return isSpared ? [{ ...info, liveness: "suspect" }] : [];
    });
  }

  async #areDeathsHeld(type: string, entries: readonly RosterEntry[]): Promise<boolean> {
    if (entries.every(({ info }) => info.liveness !== "dead")) return false;
    const silent = entries.filter(({ info }) => info.liveness !== "alive");
    const census = {
      total: entries.length,
      silent: silent.length,
      silentSessions: new Set(silent.map(({ session }) => session)).size,
      othersAlive: silent.length < entries.length,
    };
    const { hold: rule } = this.#config;
    if (judge(census, "none", rule) === "expire") return false;
    return judge(census, await readHold(this.#backend, this.#keys, type), rule) !== "expire";
  }

  /** Adds who is heard of. Sessions whose marks are known already are not read again. */
  async #withMarks(
    entries: readonly (Entry | null)[],
    known: Map<string, SessionMarks>,
  ): Promise<(RosterEntry | null)[]> {
    const members = entries.map((entry) => entry && decodeMember(entry.value));
    const sessions = new Set(members.flatMap((member) => member ? [member.session] : []));
    const unknown = [...sessions].filter((id) => !known.has(id));
    for (const [id, marks] of await readMarks(this.#backend, this.#keys, unknown)) known.set(id, marks);
    return entries.map((entry, index) => {
      const member = members[index];
      const marks = member && known.get(member.session);
      return entry && member && marks ? toEntry(this.#keys.agentOf(entry.key), member, marks) : null;
    });
  }
}

function toEntry(agentId: AgentId, { session, ...member }: MemberRecord, marks: SessionMarks): RosterEntry {
  return { info: { agentId, ...member, liveness: livenessOf(marks) }, session };
}

function present(entries: readonly (RosterEntry | null)[]): RosterEntry[] {
  return entries.filter((entry) => entry !== null);
}
