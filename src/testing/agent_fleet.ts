/** A fleet of processes that share an agent registry, each with its own way to the store. @module */

import { AgentRegistry } from "../agents/registry.ts";
import type { AgentEvent, RegistryAgent } from "../agents/model.ts";
import type { AgentRegistryOptions } from "../agents/registry_options.ts";
import { decodeEvent, type LoggedEvent } from "../agents/records.ts";
import { sleep, systemClock } from "../clock.ts";
import { OutcomeUnknownError } from "../errors.ts";
import type { Batch, CommitResult, Entry, ListOptions, StorageBackend } from "../storage/backend.ts";
import { collect } from "../storage/es2024.ts";
import type { Key } from "../storage/key.ts";
import type { CaseContext } from "./case.ts";
import { ManualClock } from "./manual_clock.ts";
import { WatchedBackend } from "./watched_backend.ts";

/** The times that the fleet's registries go by. */
export interface FleetTimes {
  readonly ttlMs: number;
  readonly intervalMs: number;
  readonly suspicionMs: number;
}

/** One process of the fleet. */
export interface FleetProcess {
  readonly registry: AgentRegistry;
  readonly store: FleetStore;
}

/** The fleet and what it can be made to do. */
export interface AgentFleet extends FleetTimes {
  /** Starts another process, with other options than the rest where they are given. */
  start(options?: AgentRegistryOptions): Promise<FleetProcess>;
  /** Ends a process as `kill -9` does: from here on nothing of it reaches the store. */
  kill(process: FleetProcess): void;
  /** Lets time pass, for the processes and for the store. */
  pass(ms: number): Promise<void>;
  /** Lets time pass until a condition holds. */
  until(what: string, condition: () => boolean | Promise<boolean>): Promise<void>;
  /** How many timers the processes have set, where their clock is a manual one. */
  timers(): number;
  /** Watches from now on; what was told stands in the array. */
  watch(process: FleetProcess, type?: string): Promise<AgentEvent[]>;
}

// Where the engine's time is real, waiting is; elsewhere the defaults are tested.
const REAL_TIMES: FleetTimes = { ttlMs: 1000, intervalMs: 200, suspicionMs: 400 };
const DEFAULT_TIMES: FleetTimes = { ttlMs: 30_000, intervalMs: 10_000, suspicionMs: 15_000 };

/** Runs a case with a fleet, and ends its processes afterwards. Where the backend can, every other one is a peer. */
export async function withAgentFleet(context: CaseContext, run: (fleet: AgentFleet) => Promise<void>): Promise<void> {
  const isReal = context.backend.traits.clock === "engine";
  const times = isReal ? REAL_TIMES : DEFAULT_TIMES;
  const clock = isReal ? null : new ManualClock();
  const processes: FleetProcess[] = [];
  const watches: Promise<void>[] = [];
  const over = new AbortController();
  const rest = async () => {
    for (let tries = 0; tries < 2000 && processes.some(({ store }) => store.underWay > 0); tries++) {
      await sleep(systemClock, 1);
    }
  };
  const pass = async (ms: number) => {
    if (!clock) return await context.elapse(ms);
    const stepMs = times.intervalMs / 40;
    for (let leftMs = ms; leftMs > 0; leftMs -= stepMs) {
      await context.elapse(Math.min(stepMs, leftMs));
      await clock.advance(Math.min(stepMs, leftMs));
      await rest();
    }
  };
  const fleet: AgentFleet = {
    ...times,
    pass,
    start: async (options = {}) => {
      const isPeer = context.backend.traits.shared && processes.length % 2 === 1;
      const store = new FleetStore(isPeer ? await context.peer() : context.backend);
      const registry = new AgentRegistry(store, {
        heartbeatTtlMs: times.ttlMs,
        heartbeatIntervalMs: times.intervalMs,
        suspicionMs: times.suspicionMs,
        clock: clock ?? systemClock,
        ...options,
      });
      processes.push({ registry, store });
      return { registry, store };
    },
    timers: () => clock?.timers ?? 0,
    kill: ({ store }) => void (store.isKilled = true),
    until: async (what, condition) => {
      if (!clock) return await context.until(what, condition);
      for (let tries = 0; !await condition(); tries++) {
        if (tries > 1000) throw new Error(`Cannot see that ${what}`);
        await pass(times.intervalMs / 40);
      }
    },
    watch: async ({ registry, store }, type) => {
      const told: AgentEvent[] = [];
      const events = registry.watch({ signal: over.signal, ...(type !== undefined && { type }) });
      watches.push((async () => {
        for await (const event of events) told.push(event);
      })());
      const before = store.calls;
      for (let tries = 0; tries < 2000 && (store.calls === before || store.underWay > 0); tries++) {
        await sleep(systemClock, 1);
      }
      return told;
    },
  };
  try {
    await run(fleet);
  } finally {
    over.abort();
    for (const { store } of processes) store.fault = store.isKilled ? "unreachable" : "none";
    await Promise.allSettled(watches);
    for (const { registry } of processes) await registry.close();
  }
}

/** A way to the store that counts what goes over it. */
export class FleetStore extends WatchedBackend {
  /** How many batches were committed. */
  commits = 0;
  /** Whether what is committed happens, and the reply is lost. */
  losesReplies = false;
  /** How many calls have not ended yet. */
  underWay = 0;
  #isKilled = false;

  /** Puts itself before a backend. */
  constructor(inner: StorageBackend) {
    super(inner);
  }

  /** Whether nothing gets through any more. */
  get isKilled(): boolean {
    return this.#isKilled;
  }

  set isKilled(isKilled: boolean) {
    this.#isKilled = isKilled;
    this.fault = "unreachable";
  }

  override get(keys: readonly Key[]): Promise<(Entry | null)[]> {
    return this.#count(super.get(keys));
  }

  override commit(batch: Batch): Promise<CommitResult> {
    this.commits++;
    return this.#count(this.losesReplies ? this.#loseReply(batch) : super.commit(batch));
  }

  override async *list(prefix: Key, options?: ListOptions): AsyncGenerator<Entry> {
    this.underWay++;
    try {
      if (this.fault !== "none") await super.get([]);
      yield* super.list(prefix, options);
    } finally {
      this.underWay--;
    }
  }

  async #loseReply(batch: Batch): Promise<never> {
    await super.commit(batch);
    throw new OutcomeUnknownError("Cannot tell what became of the call: its reply was lost");
  }

  async #count<Result>(call: Promise<Result>): Promise<Result> {
    this.underWay++;
    try {
      return await call;
    } finally {
      this.underWay--;
    }
  }
}

/** So many agents of a type. */
export function agents(type: string, count: number, prefix = ""): RegistryAgent[] {
  return Array.from({ length: count }, (_, index) => ({ id: { type, instance: `${prefix}${index}` } }));
}

/** All events of the log, in their order. */
export async function logged({ backend }: CaseContext): Promise<LoggedEvent[]> {
  const events = (await collect(backend.list(["ao", "agent", "event"]))).map(({ value }) => decodeEvent(value));
  return events.filter((event) => event !== null);
}
