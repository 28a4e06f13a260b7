/**
 * Mutation testing of the pure parts: `deno task mutate [FILE...] [--jobs N]`.
 *
 * Makes small faults in a copy of each file, one at a time, and runs the file's tests against it. A fault that they do
 * not notice has survived. Those that change nothing which could be noticed are explained, each, in
 * `scripts/mutate/survivors.json`; explanations of what is killed by now, or not there any more, are named. Exits with
 * 0 when at least 95 % of the others are killed in each file, with 1 when not, and with 2 when the tests fail without
 * any fault or there is no such file.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import known from "./mutate/survivors.json" with { type: "json" };
import { compile } from "./mutate/modules.ts";
import { type Mutant, mutantsOf } from "./mutate/mutants.ts";
import { Sandbox } from "./mutate/sandbox.ts";
import { judge } from "./mutate/survivors.ts";
import { type Target, TARGETS } from "./mutate/targets.ts";
import type { Outcome } from "./mutate/trial.ts";

const ROOT = new URL("..", import.meta.url);
const MIN_KILLED = 0.95;
const DEFAULT_JOBS = 2;

// How many times as many turns of loops as without a fault are no endless loop yet.
const MAX_LONGER = 4;
const MIN_TURNS = 100_000;

if (import.meta.main) Deno.exit(await main(Deno.args)); // a worker that was ended may take its time

/** Runs the mutants of the files that are named, or of all, and returns what to exit with. */
async function main(args: readonly string[]): Promise<number> {
  const jobsAt = args.indexOf("--jobs");
  const jobs = jobsAt < 0 ? DEFAULT_JOBS : Number(args[jobsAt + 1]);
  const files = args.filter((_, index) => jobsAt < 0 || (index !== jobsAt && index !== jobsAt + 1));
  const unknown = files.find((file) => !TARGETS.some((target) => target.file === file));
  if (unknown !== undefined || !Number.isInteger(jobs) || jobs < 1) {
    console.error(unknown === undefined ? "Cannot run: --jobs must be 1 or more" : `Cannot mutate ${unknown}`);
    console.error(`The files are\n  ${TARGETS.map(({ file }) => file).join("\n  ")}`);
    return 2;
  }
  using stack = new DisposableStack();
  const sandboxes = Array.from({ length: jobs }, () => stack.use(new Sandbox()));
  let exitCode = 0;
  let [allKilled, all, allMeant] = [0, 0, 0];
  for (const target of TARGETS.filter(({ file }) => files.length === 0 || files.includes(file))) {
    const result = await mutate(target, sandboxes);
    if (result === null) return 2;
    allKilled += result.killed;
    all += result.total;
    allMeant += result.meant;
    if (!result.isGood) exitCode = 1;
  }
  console.log(
    `\n${all} mutants, ${allKilled} killed: ${percent(allKilled, all)}, ` +
      `and ${percent(allKilled, allMeant)} of those that change anything`,
  );
  return exitCode;
}

interface Result {
  readonly killed: number;
  readonly total: number;
  /** How many are not explained as changing nothing. */
  readonly meant: number;
  readonly isGood: boolean;
}

/** Runs all mutants of one file and prints what became of them; `null` when its tests fail without a fault. */
async function mutate({ file, tests }: Target, sandboxes: readonly Sandbox[]): Promise<Result | null> {
  const text = await Deno.readTextFile(new URL(file, ROOT));
  const startedAt = performance.now();
  const [first] = sandboxes;
  const unharmed = await first?.test({ file, code: compile(text) ?? "", tests, maxTurns: Infinity });
  if (unharmed?.outcome !== "passed") {
    console.error(`Cannot mutate ${file}: its tests have ${unharmed?.outcome} without any fault`);
    return null;
  }
  const maxTurns = MAX_LONGER * unharmed.turns + MIN_TURNS;
  const waiting = mutantsOf(file, text);
  const outcomes = new Map<Mutant, Outcome>();
  await Promise.all(sandboxes.map(async (sandbox) => {
    for (let next = waiting.next(); !next.done; next = waiting.next()) {
      const { outcome } = await sandbox.test({ file, code: next.value.code, tests, maxTurns });
      outcomes.set(next.value, outcome);
    }
  }));
  const mutants = [...outcomes.keys()].sort((a, b) => a.line - b.line);
  const survivors = mutants.filter((mutant) => outcomes.get(mutant) === "passed");
  const { unexplained, explained, stale } = judge(file, survivors, known);
  const killed = mutants.length - survivors.length;
  const late = mutants.filter((mutant) => outcomes.get(mutant) === "timed out").length;
  const meant = mutants.length - explained;
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(0);
  console.log(
    `${file.padEnd(32)} ${
      percent(killed, meant).padStart(7)
    }  ${mutants.length} mutants, ${killed} killed (${late} by ` +
      `time), ${survivors.length} survived (${explained} explained), ${seconds} s`,
  );
  for (const { line, original, mutated } of unexplained) {
    console.log(`  survived ${file}:${line}\n    - ${original}\n    + ${mutated}`);
  }
  for (const { original, mutated } of stale) {
    console.log(`  stale explanation: killed, or not there any more\n    - ${original}\n    + ${mutated}`);
  }
  return { killed, total: mutants.length, meant, isGood: killed >= MIN_KILLED * meant };
}

function percent(part: number, whole: number): string {
  return `${(whole === 0 ? 100 : part / whole * 100).toFixed(1)} %`;
}
