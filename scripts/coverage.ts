/**
 * Runs the unit tests and the contract on every backend, and says which lines and branches of `src/` and `backends/` no
 * test has run: `deno task coverage [PATH...] [--from DIR]`.
 *
 * PATH limits what is reported, DIR holds data of `deno test --coverage=DIR --coverage-raw-data-only` to report instead
 * of running anything. Exits with 0 when everything was run, or is excluded by a comment that says why:
 *
 *     // deno-coverage-ignore -- why the next line cannot be run here
 *
 * Every gap is told, and more of them than races may account for are a failure.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import { postgresPrograms } from "../tests/servers/postgres.ts";
import { redisProgram } from "../tests/servers/redis.ts";
import {
  exclusionsWithoutReason,
  type FileCoverage,
  type Gap,
  judgeFile,
  judgeUnloaded,
  parseLcov,
  placesOf,
  type Share,
} from "./coverage_report.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const FOLDERS = ["src/", "backends/"];
const LEFT_OUT = [
  // What is here runs in full only against a backend that breaks its promises; tests/conformance/suite_test.ts has
  // some.
  "src/testing/",
  // Where no server can be installed, their tests are left out.
  ...(redisProgram === null ? ["backends/redis"] : []),
  ...(postgresPrograms === null ? ["backends/postgres"] : []),
];
/** Only races reach a dozen places. So many of them, of so many lines each, a run may miss: they are told, no more. */
const MISSED_BY_CHANCE = { places: 8, lines: 5 };

const TESTS = ["tests/", "--ignore=tests/property,tests/npm,tests/bench,tests/architecture_test.ts,tests/docs_test.ts"];

if (import.meta.main) Deno.exitCode = await main(Deno.args);

/** Reports, and returns what to exit with. */
async function main(args: readonly string[]): Promise<number> {
  const fromAt = args.indexOf("--from");
  const paths = args.filter((_, index) => fromAt < 0 || (index !== fromAt && index !== fromAt + 1));
  const given = fromAt < 0 ? undefined : args[fromAt + 1];
  const folder = given ?? await Deno.makeTempDir({ prefix: "coverage-" });
  try {
    const hasPassed = given !== undefined || await runTests(folder);
    await removeTorn(folder);
    const files = (await judgeAll(folder)).filter(({ path }) =>
      paths.length === 0 || paths.some((each) => path.startsWith(each))
    );
    const isGood = await print(files);
    if (!hasPassed) console.error("A test has failed: what is behind it may be missing here");
    return isGood && hasPassed ? 0 : 1;
  } finally {
    if (given === undefined) await Deno.remove(folder, { recursive: true });
  }
}

async function runTests(folder: string): Promise<boolean> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--no-check", "--parallel", `--coverage=${folder}`, "--coverage-raw-data-only", ...TESTS],
    cwd: ROOT,
    stdin: "null",
  }).spawn().status;
  return success;
}

/** Removes what tests that kill processes have left half-written, which may well end with a brace. */
export async function removeTorn(folder: string): Promise<void> {
  for await (const { name } of Deno.readDir(folder)) {
    const path = `${folder}/${name}`;
    if (!isJson(await Deno.readTextFile(path))) await Deno.remove(path);
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

async function judgeAll(folder: string): Promise<FileCoverage[]> {
  const { stdout, stderr, success } = await new Deno.Command(Deno.execPath(), {
    args: ["coverage", "--lcov", `--include=^file://${ROOT}(${FOLDERS.join("|")})`, folder],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  if (!success) throw new Error(`Cannot read the coverage: ${new TextDecoder().decode(stderr)}`);
  const counts = parseLcov(new TextDecoder().decode(stdout));
  const files: FileCoverage[] = [];
  for await (const path of sourceFiles()) {
    const text = await Deno.readTextFile(ROOT + path);
    const counted = counts.get(ROOT + path);
    const judged = counted ? judgeFile(path, text, counted) : judgeUnloaded(path, text);
    if (judged) files.push(judged);
  }
  return files;
}

/** The files that are held to it, by path. */
async function* sourceFiles(folders: readonly string[] = FOLDERS): AsyncGenerator<string> {
  for (const folder of folders) {
    const entries = await Array.fromAsync(Deno.readDir(ROOT + folder));
    for (const { name, isDirectory } of entries.sort((a, b) => a.name < b.name ? -1 : 1)) {
      const path = `${folder}${name}${isDirectory ? "/" : ""}`;
      if (LEFT_OUT.some((each) => path.startsWith(each))) continue;
      if (isDirectory) yield* sourceFiles([path]);
      else if (name.endsWith(".ts")) yield path;
    }
  }
}

/** Prints the gaps, then the figures by folder, and tells whether there is nothing to mend. */
async function print(files: readonly FileCoverage[]): Promise<boolean> {
  let isGood = true;
  const missed: (readonly Gap[])[] = [];
  for (const { path, gaps } of files) {
    const text = await Deno.readTextFile(ROOT + path);
    const lines = text.split("\n");
    for (const { line, kind } of gaps) console.log(`${path}:${line} ${kind}  ${lines[line - 1]?.trim()}`);
    const bare = exclusionsWithoutReason(text);
    for (const line of bare) console.log(`${path}:${line} an exclusion says its reason behind " -- "`);
    if (bare.length > 0) isGood = false;
    missed.push(...placesOf(gaps));
  }
  const { places, lines } = MISSED_BY_CHANCE;
  if (missed.length > places || missed.some((gaps) => gaps.length > lines || gaps[0]?.kind === "file")) {
    console.log(
      `Tests miss ${missed.length} places: races account for ${places} of up to ${lines} lines each, at most`,
    );
    isGood = false;
  }
  const folderOf = (path: string) => path.split("/").slice(0, 2).join("/");
  const byFolder = Map.groupBy(files, ({ path }) => folderOf(path).replace(/\.ts$/, ""));
  console.log(`\n${"".padEnd(24)}     lines  branches`);
  for (const [folder, group] of [...byFolder, ["all", files] as const]) {
    const [lines, branches] = [sum(group.map((each) => each.lines)), sum(group.map((each) => each.branches))];
    console.log(`${folder.padEnd(24)} ${percent(lines)} ${percent(branches)}`);
  }
  return isGood;
}

function sum(shares: readonly Share[]): Share {
  return shares.reduce((a, b) => ({ run: a.run + b.run, total: a.total + b.total }), { run: 0, total: 0 });
}

function percent({ run, total }: Share): string {
  // Rounded down: 100 is nothing less.
  return `${(Math.floor(total === 0 ? 10_000 : run / total * 10_000) / 100).toFixed(2)} %`.padStart(9);
}
