/** What there is in the model of a fleet that shares a breaker: processes, messages, store and time. @module */

import { decodeBreaker } from "../resilience/breaker_record.ts";
import { INITIAL_REPLICA, type Replica } from "../resilience/breaker_replica.ts";
import type { BreakerEvent, BreakerState, ProbeRules } from "../resilience/breaker_state.ts";
import type { JsonObject } from "../storage/json.ts";

/** How long an open time and a lease last, in milliseconds. */
export const OPEN_MS = 2000;
/** The rules of the model's breaker. */
export const RULES: ProbeRules = { halfOpenMaxCalls: 2, successThreshold: 2 };

/** By how much a tick moves all clocks, in milliseconds. */
export const TICK_MS = 1000;
/** The processes' clocks are ten minutes apart. */
const CLOCKS_MS: readonly number[] = [0, 600_000, -600_000];

/** What a process can want of the breaker. */
export type Wish = "probe" | "succeed" | "fail" | "drop" | "expire" | "push" | "isolate" | "reset";

/** One step of the model. `lose` and `delay`, `double` and `crash` are faults. */
export type Step =
  | { readonly type: "tick" | "stray" }
  | {
    readonly type: "trip" | "read" | "execute" | "reply" | "lose" | "delay" | "double" | "crash";
    readonly by: number;
  }
  | { readonly type: "wish"; readonly by: number; readonly wish: Wish };

/** A request to the store, or its answer on the way back. */
export type Message =
  | { readonly type: "read"; readonly event: BreakerEvent | null; readonly answer: Answer | null }
  | {
    readonly type: "write";
    readonly event: BreakerEvent | null;
    readonly next: BreakerState;
    readonly over: string | null;
    readonly answer: Answer | null;
  };

/** What the store has answered: a record, or whether the write was accepted, and the version. */
export interface Answer {
  readonly record: JsonObject | null;
  readonly accepted: boolean;
  readonly version: string | null;
}

/** A call that was let through as a probe. */
export interface HeldProbe {
  readonly id: string;
  readonly generation: number;
  readonly endsAtMs: number;
}

/** A message that comes when nobody waits for it. */
export interface Stray {
  readonly by: number;
  /** Which life of the process it belongs to: no answer reaches the dead. */
  readonly life: number;
  readonly message: Message;
}

/** One process. */
export interface Process {
  readonly replica: Replica;
  readonly message: Message | null;
  readonly probe: HeldProbe | null;
  readonly names: number;
  readonly lives: number;
}

/** Everything there is. */
export interface World {
  readonly nowMs: number;
  readonly record: JsonObject | null;
  readonly version: number;
  readonly processes: readonly Process[];
  /** A message that comes late: its sender no longer waits, or has sent it twice. */
  readonly stray: Stray | null;
  readonly faults: number;
  /** When each open state was made, by the name of its transition. */
  readonly births: ReadonlyMap<string, number>;
}

/** The world before anything has happened. */
export const INITIAL_WORLD: World = {
  nowMs: 0,
  record: null,
  version: 0,
  processes: CLOCKS_MS.map(() => ({ replica: INITIAL_REPLICA, message: null, probe: null, names: 0, lives: 0 })),
  stray: null,
  faults: 0,
  births: new Map(),
};

/** The process with a number. */
export function processOf(world: World, by: number): Process {
  const process = world.processes[by];
  if (process === undefined) throw new RangeError(`Cannot take a step: there is no process ${by}`);
  return process;
}

/** What a process's clock shows. */
export function clockOf(world: World, by: number): number {
  return world.nowMs + (CLOCKS_MS[by] ?? 0);
}

/** The state that is stored, with durations counted from time 0. */
export function storedState({ record }: World): BreakerState | null {
  return record && decodeBreaker(record, 0);
}
