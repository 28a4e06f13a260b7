/**
 * Ours and the peers' in turn: `deno task bench:peers [--json] [--quick] [--only PREFIX]`.
 *
 * Prints a table, or with `--json` a line for each comparison. `--quick` takes less than 50 seconds in all, once the
 * peers are installed, and leaves out what takes long to set up, unless `--only` asks for it: then more seconds are
 * needed. `--only` runs the comparisons whose names begin so. Figures count only beside one another: machines differ.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import { parseArgs } from "node:util";
import { comparisons as breaker } from "./peers/breaker.ts";
import { type Comparison, groupBySides, type Outcome } from "./peers/comparison.ts";
import { contest, type Plan } from "./peers/contest.ts";
import { comparisons as denoKv } from "./peers/deno_kv.ts";
import { installPeers } from "./peers/install.ts";
import { comparisons as memory } from "./peers/memory.ts";
import { comparisons as postgres } from "./peers/postgres.ts";
import { comparisons as redis } from "./peers/redis.ts";
import { comparisons as sqlite } from "./peers/sqlite.ts";

/** One group a file; one more is one more here. */
const COMPARISONS: readonly Comparison[] = [...sqlite, ...redis, ...postgres, ...denoKv, ...breaker, ...memory];

const FULL: Plan = { rounds: 7, roundMs: 1000 };
const QUICK_ROUNDS = 3;
const QUICK_TOTAL_MS = 40_000;
/** What starting both sides of a comparison, and filling queues before rounds, takes beside the rounds. */
const QUICK_OVERHEAD_MS = 1500;

if (import.meta.main) Deno.exitCode = await main(Deno.args);

/** Runs what is asked for and returns what to exit with: 1 when a comparison could not be made. */
async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (options === null) return 2;
  const { json, quick, only } = options;
  const chosen = COMPARISONS.filter(({ name, isLong }) => name.startsWith(only) && !(quick && isLong && only === ""));
  if (chosen.length === 0) {
    console.error(`Cannot compare: no name begins with "${only}"; there are ${namesOf(COMPARISONS)}`);
    return 2;
  }
  if (chosen.some(({ peer }) => peer.runtime === "node")) await installPeers();
  const leftOut = COMPARISONS.filter((each) => quick && only === "" && !chosen.includes(each));
  if (leftOut.length > 0) console.error(`Too long for a quick run of all, but not with --only: ${namesOf(leftOut)}`);
  const groups = groupBySides(chosen);
  const plan = quick ? quickPlan(groups.length) : FULL;
  const failed: string[] = [];
  if (!json) printRow("", "ours", "peer", "ratio", "");
  for (const group of groups) {
    try {
      for (const outcome of await contest(group, plan)) {
        if (json) console.log(JSON.stringify(rounded(outcome)));
        else printOutcome(outcome);
      }
    } catch (error) {
      const names = group.map(({ name }) => name);
      console.error(`${names.join(", ")}: ${error instanceof Error ? error.message : error}`);
      failed.push(...names);
    }
  }
  return failed.length === 0 ? 0 : 1;
}

/** `null` when an argument is none, which is said. */
function readOptions(
  args: string[],
): { readonly json: boolean; readonly quick: boolean; readonly only: string } | null {
  const options = {
    json: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    only: { type: "string", default: "" },
  } as const;
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    const why = error instanceof Error ? error.message : error;
    console.error(`Cannot compare: ${why}; there are --json, --quick and --only PREFIX`);
    return null;
  }
}

/** Rounds that are as long as fits: a warm-up and three of each side. */
function quickPlan(count: number): Plan {
  const roundMs = (QUICK_TOTAL_MS / count - QUICK_OVERHEAD_MS) / (2 * (QUICK_ROUNDS + 1));
  return { rounds: QUICK_ROUNDS, roundMs: Math.round(Math.min(Math.max(roundMs, 50), 500)) };
}

function printOutcome({ name, ours, peer, ratio, unit }: Outcome): void {
  printRow(name, show(ours), show(peer), ratio.toFixed(2), unit);
}

function printRow(name: string, ours: string, peer: string, ratio: string, unit: string): void {
  const width = Math.max(...COMPARISONS.map(({ name }) => name.length));
  console.log(`${name.padEnd(width)} ${ours.padStart(12)} ${peer.padStart(12)} ${ratio.padStart(7)}  ${unit}`);
}

function show(figure: number): string {
  return figure.toLocaleString("en", { maximumSignificantDigits: 3 });
}

/** Four digits are more than any of these figures has. */
function rounded(outcome: Outcome): Outcome {
  const [ours, peer, ratio] = [outcome.ours, outcome.peer, outcome.ratio].map((figure) => +figure.toPrecision(4));
  return { ...outcome, ours: ours ?? NaN, peer: peer ?? NaN, ratio: ratio ?? NaN };
}

function namesOf(comparisons: readonly Comparison[]): string {
  return comparisons.map(({ name }) => `"${name}"`).join(", ");
}
