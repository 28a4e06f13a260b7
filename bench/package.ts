/**
 * How long the package takes to be imported, and how large its entry is as a bundle: `deno run -A bench/package.ts`.
 *
 * Both programs of a pair are started in turn, so that a busy machine slows both: the difference of the medians counts.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import { build, stop } from "esbuild";
import { Consumer } from "../tests/npm/consumer.ts";
import { findNodes } from "../tests/npm/nodes.ts";

const ROUNDS = 21;
const EMPTY = "";
const IMPORT = 'import "@tta/agent-coordination";';
const BUNDLED = `export { MessageCoordinator } from "@tta/agent-coordination";
export { MemoryBackend } from "@tta/agent-coordination/memory";`;

await using consumer = await Consumer.make();
for (const { major, program } of await findNodes(consumer)) {
  await measureImport(`Node ${major}`, program, ["--input-type=module", "--eval"]);
}
await measureImport("Deno", Deno.execPath(), ["eval", "--node-modules-dir=manual"]);
await measureBundle();

async function measureImport(runtime: string, program: string, args: readonly string[]): Promise<void> {
  const [empty, full]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    empty.push(await timed(program, [...args, EMPTY]));
    full.push(await timed(program, [...args, IMPORT]));
  }
  const [without, withIt] = [median(empty), median(full)];
  const more = `${(withIt - without).toFixed(1)} ms more, of the shortest ${
    (Math.min(...full) - Math.min(...empty)).toFixed(1)
  }`;
  console.log(`${runtime}: ${without.toFixed(1)} ms empty, ${withIt.toFixed(1)} ms with the package: ${more}`);
}

async function timed(program: string, args: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  const { success, stderr } = await consumer.run(program, args);
  if (!success) throw new Error(`Cannot import the package: ${stderr}`);
  return performance.now() - startedAt;
}

/** What a program carries along that has a coordinator on the memory backend. */
async function measureBundle(): Promise<void> {
  const { outputFiles: [bundle] } = await build({
    stdin: { contents: BUNDLED, resolveDir: consumer.directory },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "node",
    write: false,
  }).finally(stop);
  const packed = new Blob([bundle?.text ?? ""]).stream().pipeThrough(new CompressionStream("gzip"));
  const { byteLength } = await new Response(packed).arrayBuffer();
  console.log(`A bundle: ${kb(bundle?.contents.byteLength ?? 0)} minified, ${kb(byteLength)} gzipped`);
}

function kb(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
