/** The worker in which mutants are tested, one after the other. @module */

/// <reference lib="deno.worker" />

import { Modules } from "./modules.ts";

/** How the tests ended. */
export type Outcome = "passed" | "failed" | "timed out";

/** Tests to run while the module `file` has the code `code`. */
export interface Trial {
  readonly file: string;
  readonly code: string;
  /** The files of the tests; they are run in this order until one test fails. */
  readonly tests: readonly string[];
  /** At how many turns of loops an endless one is assumed. */
  readonly maxTurns: number;
}

/** What has come of a trial. */
export interface TrialResult {
  readonly outcome: Outcome;
  /** Turns of loops. */
  readonly turns: number;
}

// What nobody waits for, such as a microtask.
let hasThrown = false;
for (const type of ["error", "unhandledrejection"]) {
  self.addEventListener(type, (event) => {
    event.preventDefault();
    hasThrown = true;
  });
}

self.addEventListener("message", async ({ data }: MessageEvent<Trial>) => self.postMessage(await judge(data)));

async function judge({ file, code, tests, maxTurns }: Trial): Promise<TrialResult> {
  let turns = 0;
  const tick = () => {
    if (++turns > maxTurns) throw new Error("This loop is taken to be endless");
  };
  hasThrown = false;
  const isRight = await passes(file, code, tests, tick);
  await new Promise((resolve) => setTimeout(resolve));
  return { outcome: turns > maxTurns ? "timed out" : isRight && !hasThrown ? "passed" : "failed", turns };
}

async function passes(file: string, code: string, tests: readonly string[], tick: () => void): Promise<boolean> {
  const waiting: (() => unknown)[] = [];
  const deno = { test: (_: string, run: () => unknown) => void waiting.push(run) };
  try {
    const modules = new Modules(file, code, tick, deno);
    for (const path of tests) {
      modules.load(path);
      for (const run of waiting.splice(0)) {
        const result = run();
        if (result instanceof Promise && !await isKept(result)) return false;
      }
    }
    return true;
  } catch {
    return false;
  }
}

/** Whether a promise is kept by promises alone: what is not settled when these have been waits for what never comes. */
function isKept(promise: Promise<unknown>): Promise<boolean> {
  return new Promise((resolve) => {
    promise.then(() => resolve(true), () => resolve(false));
    setTimeout(() => resolve(false));
  });
}
