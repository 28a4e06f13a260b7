/**
 * Moves what the Python original of this library has in Redis into any backend:
 * `deno task import:tta --from redis://... --to URL [--prefix ao] [--namespace NAME] [--dry-run] [--json]`.
 *
 * Messages in line, delayed, being worked on and dead, agents with their saved states, and open circuit breakers. Stop
 * the original before, and start receivers of the target after. It may be cut off and run again for 30 days, and moves
 * nothing twice; the source is left as it is. `--retry-attempts N` and `--open-ms N` are the settings of the original
 * where they were not its defaults, 3 and 60000. Exits with 0 when everything was moved, 1 when something was not, and
 * 2 for wrong arguments.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import { parseArgs } from "node:util";
import { openBackend } from "../backends/open.ts";
import { importTta } from "./import_tta/import.ts";
import { formatReport } from "./import_tta/report.ts";

const USAGE = "Usage: deno task import:tta --from redis://... --to URL [--prefix ao] [--namespace NAME] " +
  "[--retry-attempts 3] [--open-ms 60000] [--dry-run] [--json]";

interface Arguments {
  readonly from: string;
  readonly to: string | undefined;
  readonly prefix: string;
  readonly namespace: string;
  readonly retryAttempts: number;
  readonly openMs: number;
  readonly json: boolean;
}

if (import.meta.main) Deno.exitCode = await main(Deno.args);

/** Imports, and returns what to exit with. */
async function main(args: string[]): Promise<number> {
  let parsed: Arguments;
  try {
    parsed = parse(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    return 2;
  }
  const { to, json, namespace, ...options } = parsed;
  try {
    await using backend = to === undefined ? null : await openBackend(to);
    const report = await importTta({ ...options, backend, namespace: [namespace] });
    console.log(json ? JSON.stringify(report) : formatReport(report));
    return report.problems.length === 0 ? 0 : 1;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    console.error("The import may be run again: nothing is moved twice");
    return 1;
  }
}

/** The checked arguments. A target is not even opened in a dry run: that might make a file. */
function parse(args: string[]): Arguments {
  const { values } = parseArgs({
    args,
    options: {
      "from": { type: "string" },
      "to": { type: "string" },
      "prefix": { type: "string", default: "ao" },
      "namespace": { type: "string" },
      "retry-attempts": { type: "string", default: "3" },
      "open-ms": { type: "string", default: "60000" },
      "dry-run": { type: "boolean", default: false },
      "json": { type: "boolean", default: false },
    },
  });
  const { from, to, prefix } = values;
  if (from === undefined || !/^rediss?:\/\//i.test(from)) {
    throw new TypeError("Cannot import: --from must be a URL that begins with redis:// or rediss://");
  }
  if (to === undefined && !values["dry-run"]) throw new TypeError("Cannot import: --to must be the URL of a backend");
  if (prefix === "") throw new TypeError("Cannot import: --prefix must not be empty");
  return {
    from,
    to: values["dry-run"] ? undefined : to,
    prefix,
    namespace: values.namespace ?? prefix.replace(/:+$/, ""),
    retryAttempts: toCount("--retry-attempts", values["retry-attempts"], 0),
    openMs: toCount("--open-ms", values["open-ms"], 1),
    json: values.json,
  };
}

function toCount(name: string, text: string, min: number): number {
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= min && count <= 999_999_999) return count;
  throw new RangeError(`Cannot import: ${name} must be an integer from ${min}`);
}
