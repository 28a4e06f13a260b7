/** One heartbeat: one write for a session, with what is to be written of its agents. @module */

import { sleep } from "../clock.ts";
import type { Emitter } from "../emitter.ts";
import { BackendClosedError, BackendUnavailableError, isOutage } from "../errors.ts";
import type { CommitResult, StorageBackend } from "../storage/backend.ts";
import { type AgentWrite, prepareAgentWrite } from "./agent_write.ts";
import type { AgentKeys } from "./agent_keys.ts";
import type { LocalAgent } from "./local_agent.ts";
import type { LocalAgents } from "./local_agents.ts";
import type { Membership } from "./membership.ts";
import type { RegistryEventMap } from "./registry_events.ts";
import type { RegistryConfig } from "./registry_options.ts";
import type { Session } from "./session.ts";
import { StaleIncarnationError } from "./stale_incarnation.ts";

/** How long a heartbeat waits for states at most; one that comes later travels with the next. */
const EXPORT_MS = 1000;

/** How much state travels in one batch, in characters. */
const MAX_STATE_LENGTH = 256 * 1024;

// Each lost race means that another process has taken some agent of ours.
const MAX_TRIES = 100;

/** What a heartbeat works with. */
export interface HeartbeatParts {
  readonly backend: StorageBackend;
  readonly keys: AgentKeys;
  readonly config: RegistryConfig;
  readonly locals: LocalAgents;
  readonly membership: Membership;
  readonly events: Emitter<RegistryEventMap>;
}

/**
 * Sends a heartbeat for a session and all of these agents, saves their states, and moves those into the session that
 * are not in it. It travels as one batch, and in another one for every 45 or so states that have changed: fewer where
 * batches are small.
 */
export async function sendHeartbeat(
  parts: HeartbeatParts,
  session: Session,
  agents: readonly LocalAgent[],
): Promise<void> {
  await exportStates(parts, agents);
  if (session.isDoubtful) await verify(parts, session, agents);
  const [first = [], ...others] = inBatches(parts, session, agents);
  await Promise.all([
    write(parts, session, agents, first, true),
    ...others.map((some) => write(parts, session, some, some, false)),
  ]);
}

/** Asks all agents for their states, and waits for a while, but never for an agent that does not answer. */
export async function exportStates(
  { backend, config, events }: HeartbeatParts,
  agents: readonly LocalAgent[],
): Promise<void> {
  const asked = agents.filter(({ agent }) => agent.exportState);
  if (asked.length === 0) return;
  const over = new AbortController();
  const exported = asked.map((local) =>
    local.export(backend.traits.maxValueBytes, (error) => events.emit("state_failed", { agentId: local.id, error }))
  );
  const limit = sleep(config.clock, Math.min(EXPORT_MS, config.intervalMs / 4), over.signal).catch(() => {});
  await Promise.race([Promise.all(exported), limit]);
  over.abort();
}

/**
 * The agents of which something is to be written, as many together as fit a batch; the first has room for the
 * heartbeat.
 */
function inBatches(parts: HeartbeatParts, session: Session, agents: readonly LocalAgent[]): LocalAgent[][] {
  const batches: LocalAgent[][] = [[]];
  let size = 4; // of the heartbeat itself
  let length = 0;
  for (const local of agents) {
    const prepared = prepareAgentWrite(local, session, parts.membership, parts.config);
    if (prepared === null) continue;
    const ownSize = prepared.checks.length + prepared.operations.length;
    if (size + ownSize > parts.backend.traits.maxBatchSize || length + prepared.stateLength > MAX_STATE_LENGTH) {
      batches.push([]);
      size = 0;
      length = 0;
    }
    size += ownSize;
    length += prepared.stateLength;
    batches.at(-1)?.push(local);
  }
  return batches;
}

/** Commits one batch. Where it is refused, looks which registrations have ended, and commits what is left. */
async function write(
  parts: HeartbeatParts,
  session: Session,
  all: readonly LocalAgent[],
  some: readonly LocalAgent[],
  beats: boolean,
): Promise<void> {
  const { locals, membership, config } = parts;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const held = all.filter((local) => locals.has(local));
    if (held.length === 0) return;
    const writes = some.filter((local) => locals.has(local))
      .map((local) => prepareAgentWrite(local, session, membership, config)).filter((each) => each !== null);
    const outcome = await commit(parts, beats ? session : null, writes);
    if (outcome === "done") return;
    if (outcome === "refused") await verify(parts, session, held);
  }
  throw new BackendUnavailableError(`Cannot send the heartbeat: ${MAX_TRIES} tries met another process's`);
}

/** `changed`: a state that the store cannot take was left out, and the rest is still to be committed. */
async function commit(
  { backend, events }: HeartbeatParts,
  session: Session | null,
  writes: readonly AgentWrite[],
): Promise<"done" | "refused" | "changed"> {
  const beat = session?.prepareBeat() ?? { checks: [], operations: [] };
  const operations = [...beat.operations, ...writes.flatMap((each) => each.operations)];
  if (operations.length === 0) return "done";
  let result: CommitResult;
  try {
    result = await backend.commit({
      checks: [...beat.checks, ...writes.flatMap((each) => each.checks)],
      operations,
    });
  } catch (error) {
    const withState = writes.filter(({ stateLength }) => stateLength > 0);
    if (isOutage(error) || error instanceof BackendClosedError || withState.length === 0) throw error;
    for (const { local } of withState) {
      local.exported = null;
      events.emit("state_failed", { agentId: local.id, error });
    }
    return "changed";
  }
  if (!result.committed) return "refused";
  session?.beaten(result.results);
  let from = beat.operations.length;
  for (const each of writes) each.committed(result.results.slice(from, from += each.operations.length));
  return "done";
}

/** Looks which registrations have ended, tells of them, and learns the versions of the others and of the session. */
async function verify(parts: HeartbeatParts, session: Session, some: readonly LocalAgent[]): Promise<void> {
  const { backend, keys, locals, membership, config, events } = parts;
  session.isDoubtful = true; // until this has ended well
  const [entry] = await backend.get([keys.session(session.id)]);
  session.version = entry?.version ?? null;
  // Listed only now: this look uses up what has touched the session, so it must not miss who came in before that.
  const agents = locals.all().filter((local) => local.session === session || some.includes(local));
  session.isDoubtful = false;
  const standings = await membership.standings(agents).catch((error) => {
    session.isDoubtful = true;
    throw error;
  });
  for (const [index, local] of agents.entries()) {
    if (standings[index] === "held" || !locals.has(local)) continue;
    if (standings[index] === "gone" && config.rejoin && await rejoin(parts, local, session)) continue;
    if (!locals.lose(local)) continue;
    const { id: agentId, incarnation } = local;
    events.emit("lost", { agentId, incarnation, error: new StaleIncarnationError("go on as", agentId, incarnation) });
  }
}

/** Registers an agent again that was declared dead, unless somebody has taken its place. */
async function rejoin(parts: HeartbeatParts, local: LocalAgent, session: Session): Promise<boolean> {
  const { locals, membership, events } = parts;
  const formerIncarnation = local.incarnation;
  local.session = session;
  if (await membership.join(local, { onlyIfFree: true }) === null) return false;
  // Deregistered while it was coming back: the heartbeats of others would keep it alive.
  if (!locals.has(local)) await membership.leave(local);
  else events.emit("rejoined", { agentId: local.id, incarnation: local.incarnation, formerIncarnation });
  return true;
}
