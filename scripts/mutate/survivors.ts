/** The survivors that are known: faults that change nothing which can be observed, each with its reason. @module */

import type { Mutant } from "./mutants.ts";

/** A fault that no test can notice. Names its place by text, which moves less than line numbers do. */
export interface KnownSurvivor {
  readonly file: string;
  readonly original: string;
  readonly mutated: string;
  /** Why nothing changes, or why no test is to notice. */
  readonly reason: string;
}

/** What is known of the survivors of one file. */
export interface Verdict {
  /** Survivors that nobody has explained. */
  readonly unexplained: readonly Mutant[];
  /** How many have been explained. */
  readonly explained: number;
  /** Explanations of what is killed by now, or is not there any more. */
  readonly stale: readonly KnownSurvivor[];
}

/** Compares the survivors of a file with those that are known. */
export function judge(file: string, survivors: readonly Mutant[], known: readonly KnownSurvivor[]): Verdict {
  const isOf = (each: KnownSurvivor, { original, mutated }: Mutant) =>
    each.file === file && each.original === original && each.mutated === mutated;
  const unexplained = survivors.filter((mutant) => !known.some((each) => isOf(each, mutant)));
  return {
    unexplained,
    explained: survivors.length - unexplained.length,
    stale: known.filter((each) => each.file === file && !survivors.some((mutant) => isOf(each, mutant))),
  };
}
