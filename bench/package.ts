/**
 * How long the package takes to be imported, and how large its entry is as a bundle: `deno run -A bench/package.ts`.
 *
 * Both programs of a pair are started in turn, so that a busy machine slows both: the difference of the medians counts.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- its output is what it is for

import { Consumer } from "../tests/npm/consumer.ts";

const ROUNDS = 21;
const EMPTY = "";
const IMPORT = 'import "@tta/agent-coordination";';
const BUNDLED = `export { MessageCoordinator } from "@tta/agent-coordination";
export { MemoryBackend } from "@tta/agent-coordination/memory";`;

await using consumer = await Consumer.make();
await consumer.npmInstall("esbuild@0.28");
await measureImport("Node", "node", ["--input-type=module", "--eval"]);
await measureImport("Deno", Deno.execPath(), ["eval", "--node-modules-dir=manual"]);
await measureBundle("coordinator and memory backend", []);
await measureBundle("the same, without the OpenTelemetry API", ["@opentelemetry/api"]);

async function measureImport(runtime: string, program: string, args: readonly string[]): Promise<void> {
  const [empty, full]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    empty.push(await timed(program, [...args, EMPTY]));
    full.push(await timed(program, [...args, IMPORT]));
  }
  const [without, withIt] = [median(empty), median(full)];
  const added = (withIt - without).toFixed(1);
  console.log(`${runtime}: ${without.toFixed(1)} ms empty, ${withIt.toFixed(1)} ms with the package: ${added} ms more`);
}

async function timed(program: string, args: readonly string[]): Promise<number> {
  const startedAt = performance.now();
  const { success, stderr } = await consumer.run(program, args);
  if (!success) throw new Error(`Cannot import the package: ${stderr}`);
  return performance.now() - startedAt;
}

async function measureBundle(what: string, external: readonly string[]): Promise<void> {
  await consumer.write("bundle.mjs", BUNDLED);
  const options = { entryPoints: ["bundle.mjs"], bundle: true, minify: true, format: "esm", outfile: "out.mjs" };
  const script = `import { build } from "esbuild"; await build(${
    JSON.stringify({ ...options, platform: "node", external })
  });`;
  const { success, stderr } = await consumer.run("node", ["--input-type=module", "--eval", script]);
  if (!success) throw new Error(`Cannot bundle the package: ${stderr}`);
  const bundle = await Deno.readFile(`${consumer.directory}/out.mjs`);
  const packed = new Blob([bundle]).stream().pipeThrough(new CompressionStream("gzip"));
  const { byteLength } = await new Response(packed).arrayBuffer();
  console.log(`${what}: ${kb(bundle.byteLength)} minified, ${kb(byteLength)} gzipped`);
}

function kb(bytes: number): string {
  return `${(bytes / 1000).toFixed(1)} kB`;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}
