/** Moves what the original knew of agents and circuit breakers. @module */

import { AgentRegistry } from "../../src/agents/registry.ts";
import { instanceOf } from "../../src/messages/model.ts";
import { OPEN_TIME } from "../../src/resilience/breaker_options.ts";
import { encodeBreaker } from "../../src/resilience/breaker_record.ts";
import { INITIAL_STATE, transition } from "../../src/resilience/breaker_state.ts";
import type { Operation, StorageBackend } from "../../src/storage/backend.ts";
import type { JsonObject, JsonValue } from "../../src/storage/json.ts";
import type { Key } from "../../src/storage/key.ts";
import type { Marks } from "./marks.ts";
import { agentOfName, toAgentId } from "./message.ts";
import type { SourceRecord } from "./source.ts";

/** What the records of one kind came to. */
export interface MovedRecords {
  moved: number;
  /** Agents whose saved state was moved too. */
  withState: number;
  /** Closed breakers: that is what a breaker is of which nothing is known. */
  closed: number;
  /** Those that an earlier run has moved. */
  already: number;
  /** Those that the target knows by itself: left as they are. */
  known: number;
  readonly problems: string[];
}

/** Where records are moved to; nothing is written where there is no backend. */
export interface RecordsOptions {
  readonly backend: StorageBackend | null;
  readonly namespace: Key;
  readonly marks: Marks | null;
  readonly nowMs: number;
  /** How long the original's breakers stayed open. */
  readonly openMs: number;
}

// Unused records of breakers are kept for a day, as the library itself does.
const BREAKER_RECORD_TTL_MS = 86_400_000;

/**
 * Registers the agents that are registered there, with their saved states. They count as alive for one TTL, as they
 * would have there, unless their own processes register them.
 */
export async function moveAgents(
  records: readonly SourceRecord[],
  prefix: string,
  options: RecordsOptions,
): Promise<MovedRecords> {
  const { backend, namespace, marks } = options;
  const result = nothing();
  const registry = backend && new AgentRegistry(backend, { namespace });
  for (const { key, text } of records) {
    const name = key.slice(`${prefix}:agents:`.length);
    try {
      const stored = parseObject(text);
      const id = isObject(stored.agent_id) ? toAgentId(stored.agent_id, "agent_id") : agentOfName(name, []);
      const state = isObject(stored.state) && Object.keys(stored.state).length > 0 ? stored.state : undefined;
      if (registry !== null && marks !== null) {
        const mark = marks.record("agent", id.type, instanceOf(id));
        if (await marks.has(mark)) {
          result.already++;
          continue;
        }
        if (await registry.get(id) !== null) {
          result.known++;
          continue;
        }
        // A state that was saved here is newer, and stays: without importState, the one below would replace it.
        let exported: JsonObject | undefined = state;
        await registry.register({
          id,
          metadata: metadataOf(stored),
          importState: () => void (exported = undefined),
          exportState: () => exported,
        });
        await registry.heartbeat(id);
        await backend?.commit({ operations: marks.set(mark, "").operations });
      }
      result.moved++;
      if (state !== undefined) result.withState++;
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof SyntaxError)) throw error;
      result.problems.push(`the agent ${name} was left: ${error.message}`);
    }
  }
  return result; // the registry is not closed: that would end the registrations
}

/**
 * Writes the record of each open breaker, with what is left of its open time. One that was half open is open with its
 * time over: who probed it there has gone, and the next calls are probes.
 */
export async function moveBreakers(
  breakers: readonly { readonly name: string; readonly text: string }[],
  options: RecordsOptions,
): Promise<MovedRecords> {
  const { backend, namespace, marks, nowMs, openMs } = options;
  const result = nothing();
  for (const { name, text } of breakers) {
    try {
      const { state, state_changed_at: changedAt } = parseObject(text);
      if (state === "closed") {
        result.closed++;
        continue;
      }
      if (state !== "open" && state !== "half_open") throw new TypeError(`its state is ${JSON.stringify(state)}`);
      const sinceMs = typeof changedAt === "number" ? changedAt * 1000 : nowMs;
      const openForMs = state === "open" ? Math.min(openMs, Math.max(1, Math.ceil(sinceMs + openMs - nowMs))) : 1;
      if (backend !== null && marks !== null) {
        const outcome = await writeBreaker(backend, [...namespace, "breaker", name], openForMs, marks, name);
        if (outcome !== "moved") {
          result[outcome]++;
          continue;
        }
      }
      result.moved++;
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof SyntaxError)) throw error;
      result.problems.push(`the breaker ${name} was left: ${error.message}`);
    }
  }
  return result;
}

async function writeBreaker(
  backend: StorageBackend,
  key: Key,
  openForMs: number,
  marks: Marks,
  name: string,
): Promise<"moved" | "already" | "known"> {
  const markKey = marks.record("breaker", name);
  if (await marks.has(markKey)) return "already";
  const trip = { type: "trip" as const, generation: INITIAL_STATE.generation, openForMs, by: "import" };
  const state = transition(INITIAL_STATE, trip, 0);
  const operations: Operation[] = [
    { type: "set", key, value: encodeBreaker(state), expiresInMs: BREAKER_RECORD_TTL_MS + openForMs },
  ];
  if (backend.traits.clock === "engine") {
    operations.push({ type: "set", key: [...key, OPEN_TIME], value: state.generation, expiresInMs: openForMs });
  }
  const mark = marks.set(markKey, "");
  const { committed } = await backend.commit({
    checks: [{ key, version: null }, ...mark.checks],
    operations: [...operations, ...mark.operations],
    notify: [key],
  });
  return committed ? "moved" : "known";
}

/** What others may want to know of an agent: its name there, its status, what it was able to do. */
function metadataOf({ name, status, capabilities }: JsonObject): JsonObject {
  return {
    ...(name !== undefined && { name }),
    ...(status !== undefined && { status }),
    ...(capabilities !== undefined && { capabilities }),
  };
}

function nothing(): MovedRecords {
  return { moved: 0, withState: 0, closed: 0, already: 0, known: 0, problems: [] };
}

function parseObject(text: string): JsonObject {
  const value: JsonValue = JSON.parse(text);
  if (!isObject(value)) throw new TypeError("it is no object");
  return value;
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
