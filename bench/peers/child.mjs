/** The measured end of a comparison, under Deno and under Node: runs a round for each line that it is sent. @module */

import process from "node:process";
import { createInterface } from "node:readline";

/**
 * Serves rounds until the standard input ends. The first argument of the program names the scenario; each line of input
 * is a round's length in milliseconds, and is answered with one line, `round FIGURE` or `round {"NAME":FIGURE,...}`.
 *
 * @param {Record<string, (durationMs: number) => Promise<number | Record<string, number>>>} scenarios
 * @returns {Promise<void>}
 */
// deno-lint-ignore explicit-module-boundary-types -- Node runs it too, so that its types are in the comment above
export async function serveRounds(scenarios) {
  const scenario = scenarios[process.argv[2] ?? ""];
  if (!scenario) throw new Error(`Cannot measure: there is no scenario "${process.argv[2]}"`);
  for await (const line of createInterface({ input: process.stdin })) {
    process.stdout.write(`round ${JSON.stringify(await scenario(Number(line)))}\n`);
  }
}
