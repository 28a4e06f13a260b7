/** The agent registry: who is there, who is heard of, and what they remember, for a whole fleet. @module */

import {
  type OptionCheck,
  POSITIVE_DURATION,
  requireBackend,
  requireFunction,
  requireNumber,
  requireOptions,
  requireSignal,
  requireString,
} from "../check.ts";
import { BackendClosedError, isOutage } from "../errors.ts";
import { type AgentId, checkAgentId } from "../messages/model.ts";
import type { Batch, StorageBackend } from "../storage/backend.ts";
import type { JsonValue } from "../storage/json.ts";
import { AgentKeys, describeAgent } from "./agent_keys.ts";
import { EventLog } from "./event_log.ts";
import { exportStates, type HeartbeatParts, sendHeartbeat } from "./heartbeat.ts";
import { HeartbeatLoop } from "./heartbeat_loop.ts";
import { LocalAgent } from "./local_agent.ts";
import { LocalAgents } from "./local_agents.ts";
import { Membership } from "./membership.ts";
import type {
  AgentEvent,
  AgentInfo,
  ListAgentsOptions,
  Registration,
  RegistryAgent,
  RegistrySnapshot,
  WatchOptions,
} from "./model.ts";
import { Observer } from "./observer.ts";
import { Reaper } from "./reaper.ts";
import { type RegistryEventMap, registryEvents } from "./registry_events.ts";
import { type AgentRegistryOptions, type RegistryConfig, registryConfig } from "./registry_options.ts";
import { Roster } from "./roster.ts";
import { Session } from "./session.ts";
import { StaleIncarnationError } from "./stale_incarnation.ts";
import { watchAgents } from "./watch.ts";

/**
 * Agents that several processes register, discover and watch. An agent is alive for a TTL after a heartbeat, then
 * suspect, then dead: its records go away, and one event tells so, by whichever process noticed first. Its saved state
 * stays, and comes back with the next registration of its name.
 *
 * Agents whose heartbeats are sent by `startHeartbeats` share one session: one write an interval, whatever their
 * number, and they fall silent together, for it is their process that does. An agent that is told by `heartbeat(id)`
 * alone lives by its own.
 *
 * While the store cannot be reached, what asks it rejects with a `BackendUnavailableError`, save for heartbeats that
 * are sent by themselves and for watches: those go on when it is back.
 *
 * @example
 * ```ts
 * import { AgentRegistry, MemoryBackend } from "@tta/agent-coordination";
 *
 * await using backend = new MemoryBackend();
 * await using registry = new AgentRegistry(backend);
 * await registry.startHeartbeats();
 * await registry.register({ id: { type: "writer", instance: "ada" }, metadata: { model: "small" } });
 * for (const { agentId, liveness } of await registry.discover("writer")) {
 *   console.log(agentId.instance, liveness); // ada alive
 * }
 * ```
 */
export class AgentRegistry implements AsyncDisposable {
  readonly #config: RegistryConfig;
  readonly #keys: AgentKeys;
  readonly #parts: HeartbeatParts;
  readonly #log: EventLog;
  readonly #roster: Roster;
  readonly #loop: HeartbeatLoop;
  readonly #observer: Observer;
  readonly #closing = new AbortController();
  #stopObserving: (() => Promise<void>) | null = null;

  /**
   * Makes a registry; several on one backend and namespace share their agents.
   *
   * @throws {TypeError | RangeError} Naming the option and the rule that it breaks.
   */
  constructor(backend: StorageBackend, options: AgentRegistryOptions = {}) {
    requireBackend("backend", backend);
    const config = registryConfig(options);
    const keys = new AgentKeys(config.namespace);
    this.#config = config;
    this.#keys = keys;
    this.#log = new EventLog(backend, keys, config.eventRetentionMs);
    this.#roster = new Roster(backend, keys, config);
    const membership = new Membership(backend, keys, this.#log, config);
    this.#parts = { backend, keys, config, membership, locals: new LocalAgents(), events: registryEvents() };
    this.#loop = new HeartbeatLoop(this.#parts, new Session(keys, config, true));
    const reaper = new Reaper(backend, keys, this.#log, config);
    const ownSession = () => this.#loop.isRunning ? this.#loop.session.id : null;
    this.#observer = new Observer(backend, keys, config, reaper, ownSession);
  }

  /**
   * Registers an agent of this process, as a new incarnation: whoever had registered its name before is told that it is
   * registered no more. Where a state of it was saved, it is handed to `importState` before this resolves; an agent of
   * this process that held the name is asked for its present one.
   *
   * @throws {TypeError} When the agent is none, or the registry is closed.
   * @throws What `importState` throws: then the agent is not registered, and its saved state is kept.
   */
  async register(agent: RegistryAgent): Promise<Registration> {
    this.#requireOpen("register the agent");
    checkAgentId("agent.id", agent?.id);
    if (agent.exportState !== undefined) requireFunction("agent.exportState", agent.exportState);
    if (agent.importState !== undefined) requireFunction("agent.importState", agent.importState);
    const { membership, locals, config } = this.#parts;
    const session = this.#loop.isRunning ? this.#loop.session : new Session(this.#keys, config, false);
    const local = new LocalAgent(agent, session, config.clock.now());
    const former = locals.get(local.id);
    if (former) await exportStates(this.#parts, [former]);
    const joined = await membership.join(local, { former });
    locals.add(local);
    session.isDoubtful = true;
    const restored = await this.#restore(local, joined?.state);
    return { agentId: local.id, incarnation: local.incarnation, restored };
  }

  /**
   * Ends the registration of an agent of this process, saving its state. `false` when it is not registered here.
   *
   * @throws {StaleIncarnationError} When another has registered its name in the meantime: nothing was changed.
   */
  async deregister(id: AgentId): Promise<boolean> {
    const { locals, membership } = this.#parts;
    const local = this.#find("deregister", id);
    if (local === null) return false;
    await exportStates(this.#parts, [local]);
    locals.remove(local); // a heartbeat that is under way must not take it for lost, and register it again
    try {
      if (await membership.leave(local)) return true;
    } catch (error) {
      locals.add(local);
      throw error;
    }
    throw new StaleIncarnationError("deregister", local.id, local.incarnation);
  }

  /**
   * Sends heartbeats for all agents of this process from now on, and looks after those of the fleet. Resolves once the
   * first heartbeat was tried; an outage is told by the event `heartbeat_failed`, and waited out.
   *
   * @throws {TypeError} When the registry is closed.
   */
  async startHeartbeats(): Promise<void> {
    this.#requireOpen("start heartbeats");
    if (this.#loop.isRunning) return;
    const started = this.#loop.start();
    this.#stopObserving ??= this.#observer.hold();
    await started;
  }

  /** Sends no more heartbeats: the agents of this process fall silent unless they are told by `heartbeat(id)`. */
  async stopHeartbeats(): Promise<void> {
    const stopObserving = this.#stopObserving;
    this.#stopObserving = null;
    await Promise.all([this.#loop.stop(), stopObserving?.()]);
  }

  /**
   * Sends a heartbeat now, with the agent's state: for all agents of this process where heartbeats are sent by
   * themselves, for this one alone where they are not.
   *
   * @throws {StaleIncarnationError} When another has registered its name in the meantime, or it was declared dead.
   * @throws {TypeError} When it was never registered here.
   */
  async heartbeat(id: AgentId): Promise<void> {
    const local = this.#require("send a heartbeat of", id);
    local.session.endSilence();
    await this.#beat(local);
  }

  /**
   * Has the agent count as alive for its TTL and so much longer, from a heartbeat that is sent now: to be announced
   * before a step that blocks this process, and so for all agents that share its heartbeats. `heartbeat(id)` ends it.
   *
   * @throws {StaleIncarnationError | TypeError} As `heartbeat`.
   */
  async announceSilence(id: AgentId, durationMs: number): Promise<void> {
    requireNumber("durationMs", durationMs, POSITIVE_DURATION);
    const local = this.#require("announce a silence of", id);
    if (!this.#loop.isRunning && local.session.isShared) await this.#beat(local); // gets a session of its own
    local.session.announceSilence(durationMs);
    await this.#beat(local);
  }

  /**
   * Tells a status of the agent to whoever watches or lists, in 1 to 256 characters: `idle`, `busy`, whatever agents
   * agree on.
   *
   * @throws {StaleIncarnationError | TypeError | RangeError} As `heartbeat`, or when it is no status.
   */
  async setStatus(id: AgentId, status: string): Promise<void> {
    requireString("status", status, 1, 256);
    const local = this.#require("set the status of", id);
    if (await this.#parts.membership.setStatus(local, status)) return;
    throw this.#lose("set the status of", local);
  }

  /**
   * The agent's present state as a batch, to be saved in one atomic step with other writes: `received.ack({ also })`.
   * The step is refused as a whole once another has registered the agent's name.
   *
   * @throws {StaleIncarnationError | TypeError} As `heartbeat`.
   * @throws What `exportState` throws, or why its state cannot be stored.
   */
  async prepareSaveState(id: AgentId): Promise<Batch> {
    const { membership, backend } = this.#parts;
    const local = this.#require("save the state of", id);
    const failures: unknown[] = [];
    await local.export(backend.traits.maxValueBytes, (error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
    return {
      checks: [membership.check(local)],
      operations: [membership.setPast(local, local.exported ?? local.savedState)],
    };
  }

  /**
   * An agent of any process, `null` when it is not registered.
   *
   * @throws {TypeError} When the id is none.
   */
  async get(id: AgentId): Promise<AgentInfo | null> {
    checkAgentId("id", id);
    const [entry = null] = await this.#roster.get([id]);
    return entry && entry.info;
  }

  /**
   * The agents of one type that are alive or suspect, by instance.
   *
   * @throws {TypeError | RangeError} When the type is no string, or empty.
   */
  async discover(type: string): Promise<AgentInfo[]> {
    requireType("type", type);
    return await this.#roster.discover(type);
  }

  /**
   * The agents of all processes, or those of one type, read in pages; also those that are dead and about to be removed.
   *
   * @throws {TypeError | RangeError} When an option breaks its rule.
   */
  async *listRegistered(options: ListAgentsOptions = {}): AsyncGenerator<AgentInfo, void, void> {
    requireOptions("listRegistered()", options, { type: requireType });
    for await (const { info } of this.#roster.list(options.type)) yield info;
  }

  /** The agents of this process, and those of all. */
  async snapshot(): Promise<RegistrySnapshot> {
    const shared: AgentInfo[] = [];
    for await (const info of this.listRegistered()) shared.push(info);
    return { local: this.#parts.locals.all().map(({ info }) => info), shared };
  }

  /**
   * What happens to agents from now on: joins, leaves, deaths and changes of status in their order, and who falls
   * silent and is heard of again. It begins once the end of the log has been read, a round trip after the call. The
   * iterator ends when the signal is aborted or the registry is closed.
   *
   * @example
   * ```ts
   * import { AgentRegistry, MemoryBackend } from "@tta/agent-coordination";
   *
   * await using backend = new MemoryBackend();
   * await using registry = new AgentRegistry(backend);
   * const events = registry.watch({ type: "writer" });
   * await registry.register({ id: { type: "writer", instance: "ada" } });
   * for await (const event of events) {
   *   console.log(event.type); // join
   *   break;
   * }
   * ```
   */
  watch(options: WatchOptions = {}): AsyncGenerator<AgentEvent, void, void> {
    requireOptions("watch()", options, { type: requireType, signal: requireSignal });
    const { backend, keys, config } = this.#parts;
    const parts = { backend, keys, config, log: this.#log, roster: this.#roster, observer: this.#observer };
    return watchAgents({ ...parts, closed: this.#closing.signal }, options);
  }

  /**
   * Listens to what befalls the agents of this process, and returns the function that ends it.
   *
   * @throws {TypeError} When there is no such event, or the listener is no function.
   */
  on<Type extends keyof RegistryEventMap>(type: Type, listener: (event: RegistryEventMap[Type]) => void): () => void {
    return this.#parts.events.on(type, listener);
  }

  /**
   * Stops the heartbeats, deregisters all agents of this process and ends its watches. Where the store is away, the
   * agents are left to fall silent, and it ends in the time of one call. Idempotent; the backend stays open.
   */
  async close(): Promise<void> {
    this.#closing.abort();
    // At once, and where the store is away nothing more after it: so this ends in the time of one call.
    const stopped = this.stopHeartbeats();
    const isThere = await this.#deregisterAll().finally(() => stopped);
    const { membership, backend } = this.#parts;
    const { id, version } = this.#loop.session;
    if (isThere && version !== null) await reaches(backend.commit({ operations: membership.deleteSession(id) }));
  }

  /** The same as {@linkcode close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Deregisters all agents of this process; tells whether the store is there. */
  async #deregisterAll(): Promise<boolean> {
    const agents = this.#parts.locals.all();
    const reached = await Promise.all(agents.map((local) => reaches(this.deregister(local.id))));
    return !reached.includes(false);
  }

  /** Hands a saved state back. Before that the agent is not asked for its state: it would give a blank one. */
  async #restore(local: LocalAgent, state: JsonValue | undefined): Promise<boolean> {
    const { locals, membership } = this.#parts;
    const isRestored = state !== undefined && local.agent.importState !== undefined;
    if (state !== undefined) local.savedState = JSON.stringify(state);
    try {
      if (state !== undefined) await local.agent.importState?.(state);
      local.isReady = true;
      return isRestored;
    } catch (error) {
      locals.remove(local);
      await membership.leave(local).catch(() => {}); // where the store is away, the records expire
      throw error;
    }
  }

  #requireOpen(action: string): void {
    if (this.#closing.signal.aborted) throw new TypeError(`Cannot ${action}: the registry is closed`);
  }

  async #beat(local: LocalAgent): Promise<void> {
    if (this.#loop.isRunning) await this.#loop.beat();
    else {
      const session = local.session.isShared ? new Session(this.#keys, this.#config, false) : local.session;
      await sendHeartbeat(this.#parts, session, [local]);
    }
    if (!this.#parts.locals.has(local)) {
      throw new StaleIncarnationError("send a heartbeat of", local.id, local.incarnation);
    }
  }

  #require(action: string, id: AgentId): LocalAgent {
    const local = this.#find(action, id);
    if (local === null) {
      throw new TypeError(`Cannot ${action} the agent ${describeAgent(id)}: it is not registered here`);
    }
    return local;
  }

  /** An agent of this process; `null` when it never was one. */
  #find(action: string, id: AgentId): LocalAgent | null {
    checkAgentId("id", id);
    const { locals } = this.#parts;
    const lost = locals.lostIncarnation(id);
    if (lost !== undefined) throw new StaleIncarnationError(action, id, lost);
    return locals.get(id) ?? null;
  }

  #lose(action: string, local: LocalAgent): StaleIncarnationError {
    const { locals, events } = this.#parts;
    const error = new StaleIncarnationError(action, local.id, local.incarnation);
    if (locals.lose(local)) events.emit("lost", { agentId: local.id, incarnation: local.incarnation, error });
    return error;
  }
}

const requireType: OptionCheck = (field, value) => void requireString(field, value, 1, Number.MAX_SAFE_INTEGER);

/**
 * Whether the store was there for a call. Where it is away, nothing can be done about it: what is stored expires. What
 * was lost is not there to be ended.
 */
async function reaches(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (error instanceof StaleIncarnationError) return true;
    if (error instanceof BackendClosedError || isOutage(error)) return false;
    throw error;
  }
}
