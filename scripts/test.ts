/**
 * Runs all that must hold, or the steps that are named: `deno run -A scripts/test.ts [STEP...]`.
 *
 * Every step runs, also when one before it failed, and how a failed one ended is said again at the end. The last line
 * is `N passed, N failed`, summed over the test runs; a step that failed without a failed test, such as the format
 * check, counts as one that failed. The step `coverage` judges what the steps before it ran; named without them, it
 * runs those tests itself.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import config from "../deno.json" with { type: "json" };

/** One run of a subcommand of `deno`. */
interface Step {
  readonly name: string;
  readonly args: readonly string[];
  /** Whether what it runs counts as covered. @default {false} */
  readonly covers?: boolean;
  /** How many test files run at once. @default {as many as there are processors} */
  readonly jobs?: number;
}

/** How many tests a run passed and failed. */
interface Counts {
  readonly passed: number;
  readonly failed: number;
}

const ROOT = new URL("../", import.meta.url);
const ENTRY_POINTS = Object.values(config.exports);

// All but one file that imports from JSR, which cannot be reached everywhere: tests/npm checks that one by itself.
const CHECKED = ["mod.ts", "backends", "bench", "examples", "presets", "src", "tests"].concat(
  [...Deno.readDirSync(new URL("scripts", ROOT))].map(({ name }) => `scripts/${name}`)
    .filter((path) => path !== "scripts/build_npm.ts"),
);

const LINES_SAID_AGAIN = 60;

// Types have been checked by the step before them; blocks in the documentation are checked only where they are run.
const TEST = ["test", "--allow-all", "--no-check"];
const STEPS: readonly Step[] = [
  { name: "format", args: ["fmt", "--check"] },
  { name: "lint", args: ["lint"] },
  { name: "types", args: ["check", ...CHECKED] },
  { name: "exports", args: ["doc", "--lint", ...ENTRY_POINTS] },
  {
    name: "unit",
    args: [...TEST, "--parallel", "tests/", "--ignore=tests/conformance,tests/property,tests/npm"],
    covers: true,
  },
  // Most of its time it waits: for leases to end, for servers to come back.
  { name: "conformance", args: [...TEST, "--parallel", "tests/conformance/"], covers: true, jobs: 3 },
  // What random commands happen to run does not count: it would be another thing each time.
  { name: "coverage", args: ["run", "--allow-all", "--no-check", "scripts/coverage.ts"] },
  { name: "mutants", args: ["run", "--allow-read", "--allow-env", "scripts/mutate.ts"] },
  { name: "properties", args: [...TEST, "--parallel", "tests/property/"] },
  { name: "node", args: [...TEST, "tests/npm/"] },
  {
    name: "documentation",
    args: ["test", "--allow-all", "--doc", "mod.ts", "src/", "backends/", "presets/", "README.md", "docs/"],
  },
  { name: "publish", args: ["publish", "--dry-run", "--allow-dirty"] },
];

if (import.meta.main) Deno.exitCode = await main(Deno.args);

/** Runs the steps and returns what to exit with: 0 when all of them succeeded, 2 when there is no such step. */
async function main(names: readonly string[]): Promise<number> {
  const unknown = names.find((name) => !STEPS.some((step) => step.name === name));
  if (unknown !== undefined) {
    console.error(`Cannot run "${unknown}": the steps are ${STEPS.map(({ name }) => name).join(", ")}`);
    return 2;
  }
  const steps = STEPS.filter((step) => names.length === 0 || names.includes(step.name));
  const folder = steps.some(({ name }) => name === "coverage") && steps.some(({ covers }) => covers)
    ? await Deno.makeTempDir({ prefix: "coverage-" })
    : null;
  try {
    return await runAll(folder === null ? steps : steps.map((step) => withCoverage(step, folder)));
  } finally {
    if (folder !== null) await Deno.remove(folder, { recursive: true });
  }
}

/** The step with where to leave, or to find, what was covered. */
function withCoverage(step: Step, folder: string): Step {
  const added = step.covers
    ? [`--coverage=${folder}`, "--coverage-raw-data-only"]
    : step.name === "coverage"
    ? ["--from", folder]
    : [];
  return { ...step, args: [...step.args, ...added] };
}

async function runAll(steps: readonly Step[]): Promise<number> {
  const report: string[] = [];
  const failures: string[] = [];
  let passed = 0;
  let failed = 0;
  for (const { name, args, jobs } of steps) {
    console.log(`\n--- ${name}: deno ${args.join(" ")}`);
    const startedAt = performance.now();
    const { output, errors, success } = await run(args, jobs);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    const counts = countTests(output);
    passed += counts.passed;
    failed += counts.failed === 0 && !success ? 1 : counts.failed;
    if (!success) failures.push(`--- ${name} failed, and ended with:\n${endOf(`${errors}\n${output}`)}\n`);
    const tests = args.includes("test") ? `, ${counts.passed} passed, ${counts.failed} failed` : "";
    report.push(`${success ? "ok    " : "FAILED"} ${name.padEnd(14)} ${seconds.padStart(6)} s${tests}`);
  }
  console.log(`\n${[...failures, ...report].join("\n")}\n${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** Runs `deno` in the project, showing what it prints while it does. */
async function run(
  args: readonly string[],
  jobs?: number,
): Promise<{ readonly output: string; readonly errors: string; readonly success: boolean }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...(jobs !== undefined && { DENO_JOBS: String(jobs) }) },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [output, errors, { success }] = await Promise.all([
    show(child.stdout, Deno.stdout),
    show(child.stderr, Deno.stderr),
    child.status,
  ]);
  return { output, errors, success };
}

/** The last lines of what a step printed: all that is seen of it where only the end of a log is kept. */
export function endOf(output: string): string {
  return output.trimEnd().split("\n").slice(-LINES_SAID_AGAIN).join("\n");
}

/** Passes a stream on and returns all of it as text. */
async function show(
  from: ReadableStream<Uint8Array<ArrayBuffer>>,
  to: { readonly writable: WritableStream<Uint8Array<ArrayBufferLike>> },
): Promise<string> {
  const [seen, kept] = from.tee();
  const [text] = await Promise.all([new Response(kept).text(), seen.pipeTo(to.writable, { preventClose: true })]);
  return text;
}

/** Reads the summary that `deno test` ends with, such as `ok | 12 passed (3 steps) | 0 failed (1s)`. */
export function countTests(output: string): Counts {
  const summary = [...output.matchAll(/^(?:ok|FAILED) \| (\d+) passed.*? \| (\d+) failed/gm)].at(-1);
  return { passed: Number(summary?.[1] ?? 0), failed: Number(summary?.[2] ?? 0) };
}
