/** A backend that can be switched off, for tests of what stands in front of it. @module */

import { assert } from "@std/assert";
import type { FallbackBackend } from "../../backends/composite/fallback.ts";
import type { FallbackChange } from "../../backends/composite/switch.ts";
import { BackendUnavailableError, OutcomeUnknownError } from "../../src/errors.ts";
import type { Batch, CommitResult, StorageBackend } from "../../src/storage/backend.ts";
import type { ManualClock } from "../../src/testing/manual_clock.ts";

/** After so many probes in vain a test gives up. */
const MAX_TRIES = 100;

/** What a test does to a flaky backend. */
export interface Switch {
  /** Whether calls fail as in an outage. */
  isAway: boolean;
  /** Whether commits happen and their answers are lost. */
  losesAnswers: boolean;
  /** How many more commits there are before they fail as in an outage. */
  commitsLeft: number;
  /** How many calls it got. */
  calls: number;
}

/** Wraps a backend so that a test can switch it off. */
export function flaky(backend: StorageBackend): { readonly backend: StorageBackend; readonly control: Switch } {
  const control: Switch = { isAway: false, losesAnswers: false, commitsLeft: Infinity, calls: 0 };
  const wrapped = new Proxy(backend, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      const method = value.bind(target);
      if (name === "close" || name === Symbol.asyncDispose) return method;
      if (name === "ping") return () => control.isAway ? { healthy: false, latencyMs: 0, error: "away" } : method();
      const isListing = name === "list" || name === "messages" || name === "queues";
      return (...given: unknown[]) => {
        control.calls++;
        const error = new BackendUnavailableError("Cannot reach the backend: it was switched off");
        if (control.isAway || (name === "commit" && control.commitsLeft-- <= 0)) {
          return isListing ? failing(error) : Promise.reject(error);
        }
        if (name === "commit" && control.losesAnswers) return loseAnswer(method(...given));
        return method(...given);
      };
    },
  });
  return { backend: wrapped, control };
}

async function loseAnswer(commit: Promise<CommitResult>): Promise<CommitResult> {
  await commit;
  throw new OutcomeUnknownError("Cannot tell what became of the commit: its answer was lost");
}

// deno-lint-ignore require-yield -- a listing that fails before its first item
async function* failing(error: Error): AsyncGenerator<never> {
  await Promise.resolve();
  throw error;
}

/** Lets time pass until the primary of a fallback serves again; that may have something to bring over still. */
export async function primaryServes(backend: FallbackBackend, clock: ManualClock): Promise<void> {
  await passUntil(clock, backend, ({ serving }) => serving === "primary");
}

/**
 * Lets time pass until the primary of a fallback serves again and has got all that was written meanwhile. What it says
 * otherwise begins with `where`.
 */
export async function synchronised(backend: FallbackBackend, clock: ManualClock, where = ""): Promise<void> {
  await passUntil(clock, backend, ({ serving, journalled }) => serving === "primary" && journalled === 0, where);
}

async function passUntil(
  clock: ManualClock,
  backend: FallbackBackend,
  isSo: (status: FallbackChange) => boolean,
  where = "",
): Promise<void> {
  for (let tries = 0; !isSo(backend.status); tries++) {
    assert(tries < MAX_TRIES, `${where}it does not come back: ${JSON.stringify(backend.status)}`);
    await clock.advance(1000);
  }
}

/** A batch that stores one record. */
export function put(key: readonly string[], value: string, expiresInMs?: number): Batch {
  return { operations: [{ type: "set", key, value, ...(expiresInMs !== undefined && { expiresInMs }) }] };
}
