/** All sessions of the fleet, as one look at the store finds them. @module */

import type { StorageBackend } from "../storage/backend.ts";
import type { AgentKeys } from "./agent_keys.ts";
import type { SessionMarks } from "./liveness.ts";
import { decodeSession, type SessionRecord } from "./records.ts";

/** A session as it was found. */
export interface SeenSession extends SessionMarks {
  /** `null` where its record is of another format, or only a mark is left. */
  readonly record: SessionRecord | null;
  /** The version of its record. */
  readonly version: string | null;
  /** Changes with each heartbeat. */
  readonly beat: string | null;
}

/** Reads all sessions, in pages, by their ids. */
export async function readSessions(backend: StorageBackend, keys: AgentKeys): Promise<Map<string, SeenSession>> {
  const sessions = new Map<string, SeenSession>();
  const none: SeenSession = { alive: false, known: false, record: null, version: null, beat: null };
  for await (const { key, value, version } of backend.list(keys.sessions)) {
    const [id = "", mark] = key.slice(keys.sessions.length);
    const seen = sessions.get(id) ?? none;
    if (mark === undefined) sessions.set(id, { ...seen, record: decodeSession(value), version });
    else if (mark === "alive") sessions.set(id, { ...seen, alive: true, beat: version });
    else if (mark === "known") sessions.set(id, { ...seen, known: true });
  }
  return sessions;
}

/** The marks of some sessions, in one read. */
export async function readMarks(
  backend: StorageBackend,
  keys: AgentKeys,
  ids: readonly string[],
): Promise<Map<string, SessionMarks>> {
  if (ids.length === 0) return new Map();
  const entries = await backend.get(ids.flatMap((id) => [keys.alive(id), keys.known(id)]));
  return new Map(ids.map((id, index) => {
    const [alive, known] = entries.slice(2 * index);
    return [id, { alive: alive !== null && alive !== undefined, known: known !== null && known !== undefined }];
  }));
}
