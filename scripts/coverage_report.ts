/** Reads what `deno coverage --lcov` says, and finds the lines and branches that no test has run. @module */

import { emittedCode, indexDefaultsByLine } from "./source.ts";

/** What was run of one file. */
export interface FileCoverage {
  readonly path: string;
  readonly lines: Share;
  readonly branches: Share;
  /** The lines that were not run, or not each way that they may go. */
  readonly gaps: readonly Gap[];
}

/** How many there are and how many of them were run. */
export interface Share {
  readonly run: number;
  readonly total: number;
}

/** A line of which something was not run, or the first one of a file of which nothing was. */
export interface Gap {
  readonly line: number;
  readonly kind: "line" | "branch" | "file";
}

/** The counts of an lcov report: how often each line, and each branch on it, was run. */
export interface Counts {
  readonly lines: ReadonlyMap<number, number>;
  readonly branches: ReadonlyMap<number, readonly number[]>;
}

/** Reads an lcov report into counts by path. */
export function parseLcov(lcov: string): ReadonlyMap<string, Counts> {
  const files = new Map<string, Counts>();
  for (const record of lcov.split("end_of_record")) {
    const path = /^SF:(.*)$/m.exec(record)?.[1];
    if (path === undefined) continue;
    const lines = new Map<number, number>();
    for (const [, line, times] of record.matchAll(/^DA:(\d+),(\d+)/gm)) lines.set(Number(line), Number(times));
    const branches = new Map<number, number[]>();
    for (const [, line, times] of record.matchAll(/^BRDA:(\d+),\d+,\d+,(\d+|-)/gm)) {
      const number = Number(line);
      branches.set(number, [...(branches.get(number) ?? []), times === "-" ? 0 : Number(times)]);
    }
    files.set(path, { lines, branches });
  }
  return files;
}

/**
 * Judges the counts of a file. The default of `list[index] ?? literal` need not run, as it is there for the compiler.
 */
export function judgeFile(path: string, text: string, { lines, branches }: Counts): FileCoverage {
  const excused = indexDefaultsByLine(text);
  const gaps: Gap[] = [...lines].filter(([, times]) => times === 0).map(([line]) => ({ line, kind: "line" }));
  let [run, total] = [0, 0];
  for (const [line, times] of branches) {
    const missed = times.filter((each) => each === 0).length;
    const needed = times.length - Math.min(missed, excused.get(line) ?? 0);
    total += needed;
    run += times.length - missed;
    if (needed > times.length - missed && lines.get(line) !== 0) gaps.push({ line, kind: "branch" });
  }
  return {
    path,
    lines: { run: [...lines.values()].filter((times) => times > 0).length, total: lines.size },
    branches: { run, total },
    gaps: gaps.sort((a, b) => a.line - b.line),
  };
}

/** What no test has loaded: all of it is a gap. `null` for a file of types, of which nothing runs. */
export function judgeUnloaded(path: string, text: string): FileCoverage | null {
  const code = (emittedCode(text) ?? "").replaceAll(/^(import\b.*|export \{\s*\};)$/gm, "").trim();
  if (code === "") return null;
  const none = { run: 0, total: code.split("\n").length };
  return { path, lines: none, branches: { run: 0, total: 0 }, gaps: [{ line: 1, kind: "file" }] };
}

/** Gaps by place: those on lines that follow one another were missed by the same turn not taken. */
export function placesOf(gaps: readonly Gap[]): readonly (readonly Gap[])[] {
  const places: Gap[][] = [];
  for (const gap of gaps) {
    const place = places.at(-1);
    if (place?.at(-1)?.line === gap.line - 1) place.push(gap);
    else places.push([gap]);
  }
  return places;
}

/** The lines of a text with an exclusion that says no reason behind `--`. */
export function exclusionsWithoutReason(text: string): number[] {
  return text.split("\n").flatMap((line, index) =>
    /\bdeno-coverage-ignore(?!-stop)/.test(line) && !/deno-coverage-ignore(?:-start|-file)? -- \S/.test(line)
      ? [index + 1]
      : []
  );
}
