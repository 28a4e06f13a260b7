/** Runs a comparison: both sides in processes of their own, taking turns. @module */

import { type Comparison, type Outcome, outcomeOf, type Round, type Side } from "./comparison.ts";

/** How long and how often each side is measured. */
export interface Plan {
  readonly rounds: number;
  readonly roundMs: number;
}

/** How much longer than asked for a round may take, filling stores and starting up included, on a busy machine. */
const GRACE_MS = 300_000;

/**
 * Measures both sides in turn, the first in each round the second in the next; a first round of each is left out. All
 * comparisons are of the same two sides.
 */
export async function contest(comparisons: readonly Comparison[], { rounds, roundMs }: Plan): Promise<Outcome[]> {
  const [first] = comparisons;
  if (first === undefined) return [];
  await using server = await first.startServer?.();
  await using ours = new Contestant(first.ours, server?.url);
  await using peer = new Contestant(first.peer, server?.url);
  const figures = { ours: new Array<Round>(), peer: new Array<Round>() };
  for (let round = 0; round <= rounds; round++) {
    const sides = [["ours", ours], ["peer", peer]] as const;
    for (const [name, contestant] of round % 2 === 0 ? sides : sides.toReversed()) {
      const figure = await contestant.measure(roundMs);
      if (round > 0) figures[name].push(figure); // the first round warms up
    }
  }
  return comparisons.map((comparison) => outcomeOf(comparison, figures.ours, figures.peer));
}

/** The process of one side; idle but for its rounds. */
class Contestant implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<string>;
  readonly #output: ReadableStreamDefaultReader<string>;
  readonly #piped: Promise<void>;
  #unread = "";

  constructor({ runtime, program, scenario }: Side, serverUrl: string | undefined) {
    const file = decodeURIComponent(program.pathname);
    const [command, flags] = runtime === "deno"
      ? [Deno.execPath(), ["run", "--allow-all", "--no-check"]]
      : ["node", []];
    this.#process = new Deno.Command(command, {
      args: [...flags, file, scenario, ...(serverUrl === undefined ? [] : [serverUrl])],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const encoder = new TextEncoderStream();
    this.#piped = encoder.readable.pipeTo(this.#process.stdin).catch(() => {}); // it ended: measure() tells
    this.#input = encoder.writable.getWriter();
    this.#output = this.#process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  async measure(durationMs: number): Promise<Round> {
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), durationMs + GRACE_MS);
    try {
      await this.#input.write(`${durationMs}\n`);
      for (let line = await this.#readLine();; line = await this.#readLine()) {
        if (line.startsWith("round ")) return JSON.parse(line.slice("round ".length));
      }
    } finally {
      clearTimeout(timer);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {}); // the process has ended by itself
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), 5000);
    await this.#output.cancel();
    await this.#process.status;
    clearTimeout(timer);
    await this.#piped;
  }

  async #readLine(): Promise<string> {
    for (;;) {
      const end = this.#unread.indexOf("\n");
      if (end >= 0) {
        const line = this.#unread.slice(0, end);
        this.#unread = this.#unread.slice(end + 1);
        return line;
      }
      const { value, done } = await this.#output.read();
      if (done) throw new Error("Cannot measure: the process ended before its round did");
      this.#unread += value;
    }
  }
}
