/** The conformance suite: what every backend promises, as cases for any test runner. @module */

import { type OptionNames, requireFunction, requireOptions } from "../check.ts";
import { sleep, systemClock } from "../clock.ts";
import type { BackendTraits, StorageBackend } from "../storage/backend.ts";
import type { CaseContext, ConformanceCase, ConformanceFixture, Need } from "./case.ts";
import { conformanceCases } from "./cases/mod.ts";

/** What {@linkcode backendConformance} needs to know. */
export interface ConformanceOptions {
  /** Registers a test with the runner: `Deno.test`, `test` of `node:test`, `it` and the like. */
  readonly test: (name: string, run: () => Promise<void>) => void;
  /** Makes a fixture with a fresh, empty backend. Called once a case. */
  readonly factory: () => ConformanceFixture | Promise<ConformanceFixture>;
  /** Lets time pass: moves the injected clock, or really waits where the engine has its own. */
  readonly advance: (ms: number) => Promise<void>;
  /** Put before each name. @default {""} */
  readonly prefix?: string;
  /** Told of a case that does not apply to this backend, and why. By default it is written to the console. */
  readonly leftOut?: (name: string, reason: string) => void;
  /** How long a case may take, in real milliseconds. @default {60_000} */
  readonly caseLimitMs?: number;
  /** How long at most a call takes when the engine cannot be reached, in real milliseconds. @default {5000} */
  readonly callLimitMs?: number;
}

const OPTIONS: OptionNames<ConformanceOptions> = {
  test: requireFunction,
  factory: requireFunction,
  advance: requireFunction,
  prefix: true,
  leftOut: requireFunction,
  caseLimitMs: true,
  callLimitMs: true,
};

/**
 * Registers a test for each promise that a backend makes. Which of them apply is decided by the backend's traits and by
 * what the fixture offers; one that does not apply ends at once and is reported to `leftOut`.
 *
 * @example
 * ```ts ignore
 * import { backendConformance, ManualClock } from "@tta/agent-coordination/testing";
 * import { MemoryBackend } from "@tta/agent-coordination/memory";
 *
 * const clock = new ManualClock();
 * backendConformance({
 *   test: Deno.test,
 *   factory: () => ({ backend: new MemoryBackend({ clock }) }),
 *   advance: (ms) => clock.advance(ms),
 * });
 * ```
 *
 * @throws {TypeError} Naming the option that is not as it must be.
 */
export function backendConformance(options: ConformanceOptions): void {
  requireOptions("backendConformance()", options, OPTIONS);
  for (const name of ["test", "factory", "advance"] as const) requireFunction(name, options[name]);
  const { test, prefix = "" } = options;
  for (const each of conformanceCases) {
    test(prefix + each.name, () => runCase(each, options));
  }
}

async function runCase(each: ConformanceCase, options: ConformanceOptions): Promise<void> {
  const { caseLimitMs = 60_000, leftOut = logLeftOut } = options;
  const fixture = await options.factory();
  const opened: StorageBackend[] = [fixture.backend];
  try {
    const reason = (each.needs ?? []).map((need) => missing(need, fixture)).find((found) => found !== null);
    if (reason) leftOut(each.name, reason);
    else await withinLimit(each.run(makeContext(fixture, opened, options)), caseLimitMs);
  } finally {
    for (const backend of opened) await backend.close();
    await fixture.dispose?.();
  }
}

function logLeftOut(name: string, reason: string): void {
  // deno-lint-ignore no-console -- what a suite leaves out must be seen, and no runner has another way that all share
  console.info(`left out: ${name} (${reason})`);
}

/** Why a backend cannot be asked for something, `null` where it can. */
function missing(need: Need, { backend, reopen, peer, neighbour, outage }: ConformanceFixture): string | null {
  const { durable, shared, clock } = backend.traits;
  switch (need) {
    case "durable":
      if (durable && !reopen) {
        throw new TypeError("Cannot test the backend: it is durable, and the fixture has no reopen()");
      }
      return durable ? null : "the backend is not durable";
    case "shared":
      if (shared && !peer) throw new TypeError("Cannot test the backend: it is shared, and the fixture has no peer()");
      return shared ? null : "the backend is not shared";
    case "injected clock":
      return clock === "injected" ? null : "the engine has its own clock, which cannot be stopped";
    case "namespaces":
      return neighbour ? null : "the fixture has no neighbour()";
    case "outages":
      return outage ? null : "the fixture has no outage()";
  }
}

function makeContext(
  fixture: ConformanceFixture,
  opened: StorageBackend[],
  { advance, callLimitMs = 5000 }: ConformanceOptions,
): CaseContext {
  const { backend } = fixture;
  const open = async (opening: Promise<StorageBackend> | undefined): Promise<StorageBackend> => {
    if (!opening) throw new TypeError("Cannot run the case: it must name what it needs");
    const another = await opening;
    opened.push(another);
    return another;
  };
  return {
    backend,
    callLimitMs,
    shortMs: backend.traits.clock === "engine" ? 300 : 1000,
    elapse: (ms) => advance(ms + marginMs(backend.traits)),
    until: (what, condition) => until(what, condition, advance),
    reopen: async () => {
      await backend.close();
      return await open(fixture.reopen?.());
    },
    peer: () => open(fixture.peer?.()),
    neighbour: () => open(fixture.neighbour?.()),
    outage: () => {
      if (!fixture.outage) throw new TypeError("Cannot run the case: it must name what it needs");
      return fixture.outage();
    },
  };
}

/** A clock that stands still ends a duration exactly; a real one has a grain, and two hosts' calls take time. */
function marginMs({ clock, timePrecisionMs }: BackendTraits): number {
  return clock === "engine" ? timePrecisionMs + 20 : Math.max(timePrecisionMs - 1, 0);
}

const UNTIL_LIMIT_MS = 15_000;
const UNTIL_STEP_MS = 5;

async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  advance: (ms: number) => Promise<void>,
): Promise<void> {
  const deadlineMs = systemClock.now() + UNTIL_LIMIT_MS;
  while (!await condition()) {
    if (systemClock.now() > deadlineMs) throw new Error(`Cannot see within ${UNTIL_LIMIT_MS} ms that ${what}`);
    // Both clocks: a backend may poll on the injected one, and its engine answers in real time.
    await advance(UNTIL_STEP_MS);
    await sleep(systemClock, UNTIL_STEP_MS);
  }
}

/** Ends a case that hangs, so that a runner tells which one it was. */
async function withinLimit(running: Promise<void>, limitMs: number): Promise<void> {
  const over = new AbortController();
  const limit = sleep(systemClock, limitMs, over.signal).then(
    () => Promise.reject(new Error(`Cannot finish the case: it took longer than ${limitMs} ms`)),
    () => {}, // the case has ended first
  );
  try {
    await Promise.race([running, limit]);
  } finally {
    over.abort();
    await limit.catch(() => {});
  }
}
