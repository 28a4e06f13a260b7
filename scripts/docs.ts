/**
 * Writes the parts of the documents that the sources decide: `deno task docs [--check]`.
 *
 * docs/API.md as a whole, and in docs/GUARANTEES.md the tests that bear the number of each promise. With `--check`,
 * nothing is written, and it exits with 1 when something would be.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import config from "../deno.json" with { type: "json" };
import { apiText, type EntryPoint } from "./docs/api.ts";
import { fillIn, promisesOf } from "./docs/promises.ts";
import { isNode } from "./docs/types.ts";

const ROOT = new URL("..", import.meta.url);

if (import.meta.main) Deno.exitCode = await main(Deno.args);

/** Writes or checks, and returns what to exit with. */
async function main(args: readonly string[]): Promise<number> {
  const isCheck = args.includes("--check");
  const guarantees = await Deno.readTextFile(new URL("docs/GUARANTEES.md", ROOT));
  const texts: readonly (readonly [string, string])[] = [
    ["docs/API.md", await format(apiText(await entryPoints(), config.name, ROOT.href))],
    ["docs/GUARANTEES.md", await format(fillIn(guarantees, promisesOf(ROOT)))],
  ];
  let stale = 0;
  for (const [path, text] of texts) {
    const url = new URL(path, ROOT);
    const current = await Deno.readTextFile(url).catch(() => "");
    if (current === text) continue;
    stale++;
    if (!isCheck) await Deno.writeTextFile(url, text);
    console.log(isCheck ? `${path} is not what the sources say: run "deno task docs"` : `${path} was written`);
  }
  return isCheck && stale > 0 ? 1 : 0;
}

async function entryPoints(): Promise<EntryPoint[]> {
  const paths = Object.entries(config.exports).map(([name, path]) => ({ name, path: path.slice(2) }));
  const doc: unknown = JSON.parse(await deno(["doc", "--json", ...paths.map(({ path }) => path)]));
  const nodes = isNode(doc) && isNode(doc.nodes) ? doc.nodes : {};
  return paths.map(({ name, path }) => {
    const described = nodes[new URL(path, ROOT).href];
    return { name, path, doc: isNode(described) ? described : {} };
  });
}

function format(markdown: string): Promise<string> {
  return deno(["fmt", "--ext", "md", "--line-width", String(config.fmt.lineWidth), "-"], markdown);
}

async function deno(args: readonly string[], input = ""): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const [{ code, stdout }] = await Promise.all([
    child.output(),
    new Response(input).body?.pipeTo(child.stdin) ?? child.stdin.close(),
  ]);
  if (code !== 0) throw new Error(`Cannot write the documents: deno ${args[0]} failed`);
  return new TextDecoder().decode(stdout);
}
