/** What a comparison is: one of our figures beside a peer's, each measured in a process of its own. @module */

/** One of our figures beside a peer's. */
export interface Comparison {
  /** Backend, operation, how many at once, peer: `sqlite serve x100 vs plainjob`. */
  readonly name: string;
  /** What both figures are counted in, such as `messages/s`. */
  readonly unit: string;
  /** Which of two figures is the better one. @default {"higher"} */
  readonly better?: "higher" | "lower";
  readonly ours: Side;
  readonly peer: Side;
  /**
   * Which of the figures of a round, where its programs give several. Comparisons of the same two sides share their
   * rounds.
   */
  readonly figure?: string;
  /** Takes more than a few seconds to set up: a quick run leaves it out unless it is asked for. */
  readonly isLong?: boolean;
  /**
   * Starts a server that both sides use, and that is stopped after them; its URL is the second argument of the
   * programs.
   */
  readonly startServer?: () => Promise<SharedServer>;
}

/** A server that both sides of a comparison use. */
export interface SharedServer extends AsyncDisposable {
  readonly url: string;
}

/** One side: a program that measures a round whenever it is told to, with `serveRounds` of `child.mjs`. */
export interface Side {
  /** What runs it: this `deno`, or the `node` on the path. */
  readonly runtime: "deno" | "node";
  /** The program. */
  readonly program: URL;
  /** Which of its scenarios. */
  readonly scenario: string;
}

/** What a comparison came to: medians over its rounds. */
export interface Outcome {
  readonly name: string;
  readonly ours: number;
  readonly peer: number;
  /** Above 1 where ours is better. */
  readonly ratio: number;
  readonly unit: string;
}

/** Our side: a scenario of a module that serves rounds when it is the main one. */
export function inDeno(program: string, scenario: string): Side {
  return { runtime: "deno", program: new URL(program), scenario };
}

/** A peer's side: a program in `node/`, run by Node with the packages that are installed there. */
export function inNode(program: string, scenario: string): Side {
  return { runtime: "node", program: new URL(`node/${program}`, import.meta.url), scenario };
}

/** What a round gave: a figure, or several by name. */
export type Round = number | { readonly [figure: string]: number };

/** The outcome of a comparison whose rounds gave these figures. */
export function outcomeOf(
  { name, unit, better = "higher", figure }: Comparison,
  oursRounds: readonly Round[],
  peerRounds: readonly Round[],
): Outcome {
  const ours = median(oursRounds.map((round) => figureOf(round, figure)));
  const peer = median(peerRounds.map((round) => figureOf(round, figure)));
  return { name, ours, peer, ratio: better === "higher" ? ours / peer : peer / ours, unit };
}

function figureOf(round: Round, figure: string | undefined): number {
  return typeof round === "number" ? round : round[figure ?? ""] ?? NaN;
}

/** Comparisons in groups that share their rounds, in the order of their first ones. */
export function groupBySides(comparisons: readonly Comparison[]): Comparison[][] {
  const groups = Map.groupBy(
    comparisons,
    ({ name, figure, ours, peer }) => figure === undefined ? name : JSON.stringify([ours, peer]),
  );
  return [...groups.values()];
}

function median(figures: readonly number[]): number {
  const sorted = figures.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? NaN;
  const lower = sorted[Math.ceil(sorted.length / 2) - 1] ?? NaN;
  return (lower + upper) / 2;
}
