/** Watching the agents: what the log tells, in its order, and who falls silent or is heard of again. @module */

import { sleep } from "../clock.ts";
import { isOutage } from "../errors.ts";
import { runBounded } from "../resilience/time_limit.ts";
import type { StorageBackend, Unlisten } from "../storage/backend.ts";
import { endListening } from "../storage/listeners.ts";
import { type AgentKeys, nameOf } from "./agent_keys.ts";
import type { EventLog, NumberedEvent } from "./event_log.ts";
import type { AgentEvent, AgentInfo, WatchOptions } from "./model.ts";
import type { Look, Observer } from "./observer.ts";
import type { LoggedEvent } from "./records.ts";
import type { RegistryConfig } from "./registry_options.ts";
import type { Roster, RosterEntry } from "./roster.ts";

/** However quiet it is, the log is looked at this often: a wake-up is a hint and may be lost. */
const FLOOR_MS = 1000;

/** While the store is away, it is tried again this often. */
const OUTAGE_MS = 250;

/** How many events are read at once. */
const PAGE_SIZE = 100;

/** What a watch works with. */
export interface WatchParts {
  readonly backend: StorageBackend;
  readonly keys: AgentKeys;
  readonly config: RegistryConfig;
  readonly log: EventLog;
  readonly roster: Roster;
  readonly observer: Observer;
  /** Aborted when the registry is closed. */
  readonly closed: AbortSignal;
}

/** An agent as this watch knows it. */
interface Watched {
  readonly entry: RosterEntry;
  isSuspect: boolean;
}

/**
 * What happens from the call on, read while the iterator is: nothing piles up here when it is not. An outage is waited
 * out. When the watch has lagged so far behind that records of events have expired, it compares what it knew with what
 * is, and tells the difference.
 */
export function watchAgents(parts: WatchParts, options: WatchOptions): AsyncGenerator<AgentEvent, void, void> {
  const watch = new Watch(parts, options.type);
  const signal = options.signal ? AbortSignal.any([options.signal, parts.closed]) : parts.closed;
  watch.begin().catch(() => {}); // it is tried again with the first step of the iterator, which tells what is wrong
  return watch.run(signal);
}

class Watch {
  readonly #parts: WatchParts;
  readonly #type: string | undefined;
  #cursor = 0;
  #known: Map<string, Watched> = new Map();
  #beginning: Promise<void> | null = null;
  /** What was told by comparison although the log still has it: it is not told again. */
  #inferred = new Set<string>();
  #look: Look | null = null;
  #wakes = 0;
  #onWake: (() => void) | null = null;

  constructor(parts: WatchParts, type: string | undefined) {
    this.#parts = parts;
    this.#type = type;
  }

  /** Notes where the log ends, and who is there. What the log has from there on is told. */
  begin(): Promise<void> {
    this.#beginning ??= this.#begin().catch((error) => {
      this.#beginning = null;
      throw error;
    });
    return this.#beginning;
  }

  async *run(signal: AbortSignal): AsyncGenerator<AgentEvent, void, void> {
    const { backend, keys, observer, config } = this.#parts;
    const release = observer.hold((look) => {
      this.#look = look;
      this.#wake();
    });
    let listening: Promise<Unlisten> | null = null;
    // What is read goes nowhere once the watch has ended: nobody has to wait for it.
    const unlessEnded = <Result>(work: Promise<Result>) =>
      runBounded(() => work, { clock: config.clock, signal, what: "the watch" });
    try {
      while (!signal.aborted) {
        const wakes = this.#wakes;
        let waitMs = FLOOR_MS;
        try {
          await unlessEnded(this.begin());
          listening ??= backend.listen(keys.events, () => this.#wake()).catch((error) => {
            listening = null;
            throw error;
          });
          await unlessEnded(listening);
          for (let isLast = false; !isLast && !signal.aborted;) {
            const page = await unlessEnded(this.#readPage());
            yield* page.events;
            isLast = page.isLast;
          }
          yield* await unlessEnded(this.#compareMarks());
        } catch (error) {
          if (signal.aborted) return;
          if (!isOutage(error)) throw error;
          waitMs = OUTAGE_MS;
        }
        await this.#wait(wakes, waitMs, signal);
      }
    } finally {
      void release();
      void endListening(listening);
    }
  }

  async #begin(): Promise<void> {
    this.#cursor = await this.#parts.log.last();
    this.#known = await this.#list();
  }

  async #list(): Promise<Map<string, Watched>> {
    const known = new Map<string, Watched>();
    for await (const entry of this.#parts.roster.list(this.#type)) {
      known.set(nameOf(entry.info.agentId), { entry, isSuspect: entry.info.liveness !== "alive" });
    }
    return known;
  }

  /** The next page of the log, as far as it is of interest here. */
  async #readPage(): Promise<{ readonly events: AgentEvent[]; readonly isLast: boolean }> {
    const page = await this.#readOn();
    const last = page === null ? NaN : page.at(-1)?.sequence ?? this.#cursor;
    // Events are numbered without gaps: where one is missing, its record has expired.
    if (page?.length !== last - this.#cursor) return { events: await this.#catchUp(), isLast: true };
    this.#cursor = last;
    const events = page.flatMap(({ event }) => event && this.#isOfInterest(event) ? [event] : []);
    await this.#keep(events);
    return {
      events: events.filter((event) => !this.#inferred.has(identityOf(event))),
      isLast: page.length < PAGE_SIZE,
    };
  }

  /** The events behind the cursor; `null` where there were some, and all of them have expired. */
  async #readOn(): Promise<NumberedEvent[] | null> {
    const { log } = this.#parts;
    const page = await log.after(this.#cursor, PAGE_SIZE);
    if (page.length > 0 || await log.last() === this.#cursor) return page;
    // What was written since the first of these reads is there now.
    const again = await log.after(this.#cursor, PAGE_SIZE);
    return again.length > 0 ? again : null;
  }

  #isOfInterest(event: LoggedEvent): boolean {
    if (this.#type === undefined) return true;
    return (event.type === "expiry_held" ? event.agentType : event.agentId.type) === this.#type;
  }

  /** Keeps who has come and gone. */
  async #keep(events: readonly LoggedEvent[]): Promise<void> {
    const joined = events.filter((event) => event.type === "join");
    const entries = joined.length > 0 ? await this.#parts.roster.get(joined.map(({ agentId }) => agentId)) : [];
    for (const entry of entries) if (entry) this.#known.set(nameOf(entry.info.agentId), { entry, isSuspect: false });
    for (const event of events) {
      if (event.type !== "leave" && event.type !== "death") continue;
      const name = nameOf(event.agentId);
      if (this.#known.get(name)?.entry.info.incarnation === event.incarnation) this.#known.delete(name);
    }
  }

  /** Compares who was known with who is there, where the log cannot tell. */
  async #catchUp(): Promise<AgentEvent[]> {
    const before = this.#known;
    await this.#begin();
    const events: AgentEvent[] = [];
    for (const [name, { entry: { info: { agentId, incarnation } } }] of before) {
      if (this.#known.get(name)?.entry.info.incarnation === incarnation) continue;
      events.push({ type: "leave", agentId, incarnation, inferred: true });
    }
    for (const [name, { entry: { info: { agentId, incarnation, metadata } } }] of this.#known) {
      if (before.get(name)?.entry.info.incarnation === incarnation) continue;
      events.push({ type: "join", agentId, incarnation, metadata, inferred: true });
    }
    this.#inferred = new Set(events.map(identityOf));
    return events;
  }

  /** Tells who has fallen silent, and who is heard of again, by the last look at the sessions. */
  async #compareMarks(): Promise<AgentEvent[]> {
    const look = this.#look;
    if (look === null) return [];
    this.#look = null;
    const events: AgentEvent[] = [];
    const silent: Watched[] = [];
    for (const watched of this.#known.values()) {
      const isAlive = look.sessions.get(watched.entry.session)?.alive ?? false;
      if (isAlive && watched.isSuspect) {
        watched.isSuspect = false;
        events.push({ type: "back", ...named(watched.entry) });
      } else if (!isAlive && look.isSettled) silent.push(watched);
    }
    return [...events, ...await this.#confirm(silent)];
  }

  /** Looks at those who seem to be silent once more: they may have moved into another session. */
  async #confirm(silent: readonly Watched[]): Promise<AgentEvent[]> {
    if (silent.length === 0) return [];
    const events: AgentEvent[] = [];
    for (const entry of await this.#parts.roster.get(silent.map(({ entry }) => entry.info.agentId))) {
      const watched = entry && this.#known.get(nameOf(entry.info.agentId));
      // Of those who have gone, or were registered anew, the log will tell.
      if (!watched || watched.entry.info.incarnation !== entry.info.incarnation) continue;
      const isSuspect = entry.info.liveness !== "alive";
      if (isSuspect !== watched.isSuspect) events.push({ type: isSuspect ? "suspect" : "back", ...named(entry) });
      this.#known.set(nameOf(entry.info.agentId), { entry, isSuspect });
    }
    return events;
  }

  #wake(): void {
    this.#wakes++;
    this.#onWake?.();
  }

  /** Sleeps until a wake-up, a timer or the signal; not at all when a wake-up came since `wakes` was read. */
  async #wait(wakes: number, delayMs: number, signal: AbortSignal): Promise<void> {
    if (this.#wakes !== wakes || signal.aborted) return;
    const woken = new AbortController();
    this.#onWake = () => woken.abort();
    await sleep(this.#parts.config.clock, delayMs, AbortSignal.any([woken.signal, signal])).catch(() => {});
    this.#onWake = null;
  }
}

function named({ info: { agentId, incarnation } }: RosterEntry): Pick<AgentInfo, "agentId" | "incarnation"> {
  return { agentId, incarnation };
}

/** Names what is told, whether by the log or by comparison: where the log is silent, a death counts as a leave. */
function identityOf(event: AgentEvent): string {
  if (event.type === "expiry_held" || event.type === "status") return "";
  return JSON.stringify([event.type === "join", nameOf(event.agentId), event.incarnation]);
}
