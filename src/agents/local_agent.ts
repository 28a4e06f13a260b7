/** An agent that this process has registered, and what it has written of it. @module */

import { ValueTooLargeError } from "../errors.ts";
import { instanceOf } from "../messages/model.ts";
import { copyJsonObject, encodeJson, type JsonObject, type JsonValue } from "../storage/json.ts";
import { utf8Length } from "../storage/key.ts";
import type { LocalAgentInfo, RegistryAgent } from "./model.ts";
import type { MemberRecord } from "./records.ts";
import type { Session } from "./session.ts";

/** Beside the state, its record holds a few short fields. */
const PAST_OVERHEAD_BYTES = 200;

/** An agent of this process. Its fields say what the store holds, as far as is known here. */
export class LocalAgent {
  readonly id: { readonly type: string; readonly instance: string };
  readonly agent: RegistryAgent;
  readonly metadata: JsonObject;
  readonly registeredAt: string;
  incarnation = 0;
  status: string | undefined;
  /** The version of its record. */
  version = "";
  session: Session;
  /** Whether it has taken back its state, so that it may be asked for it. */
  isReady = false;
  /** When its records were last written: they are refreshed long before they expire. */
  writtenAtMs = 0;
  /** The text of the state that was saved last. */
  savedState: string | null = null;
  /** What was exported and is not yet saved. */
  exported: string | null = null;
  #exporting: Promise<void> | null = null;

  /**
   * An agent that is about to be registered.
   *
   * @throws {TypeError} When its metadata are none.
   */
  constructor(agent: RegistryAgent, session: Session, nowMs: number) {
    this.id = { type: agent.id.type, instance: instanceOf(agent.id) };
    this.agent = agent;
    // The caller may change it, and it is written again at times.
    this.metadata = copyJsonObject(agent.metadata ?? {}, "agent.metadata");
    this.registeredAt = new Date(nowMs).toISOString();
    this.session = session;
  }

  /** Its record as it is to be. */
  get record(): MemberRecord {
    const { incarnation, session, metadata, registeredAt, status } = this;
    return { incarnation, session: session.id, metadata, registeredAt, ...(status !== undefined && { status }) };
  }

  /** What others may know of it. */
  get info(): LocalAgentInfo {
    const { id, incarnation, metadata, registeredAt, status } = this;
    return { agentId: id, incarnation, metadata, registeredAt, ...(status !== undefined && { status }) };
  }

  /**
   * Asks the agent for its state, unless it is still busy with the answer to the last time. Settles, never rejects,
   * once `exported` holds the state where it has changed; `onError` is told what went wrong.
   */
  export(maxBytes: number, onError: (error: unknown) => void): Promise<void> {
    this.#exporting ??= this.#export(maxBytes).catch(onError).finally(() => this.#exporting = null);
    return this.#exporting;
  }

  async #export(maxBytes: number): Promise<void> {
    const state = this.isReady ? await this.agent.exportState?.() : undefined;
    if (state === undefined) return;
    const text = encodeJson(state, "state");
    const bytes = utf8Length(text) + PAST_OVERHEAD_BYTES;
    if (bytes > maxBytes) throw new ValueTooLargeError(bytes, maxBytes);
    this.exported = text === this.savedState ? null : text;
  }
}

/** The value of a state's text. */
export function parseState(text: string): JsonValue {
  return JSON.parse(text);
}
