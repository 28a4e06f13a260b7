/** Both ways to make the npm package make the same one: the same doors, the same dependencies, the same words. @module */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { build, stop } from "esbuild";
import { dirname } from "node:path/posix";
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };
import { finishPackage } from "../../scripts/finish_npm.ts";
import { ENTRY_POINTS, finishPackageJson, METADATA, PARTS } from "../../scripts/npm_package.ts";
import { pack } from "../../scripts/pack.ts";
import { readPublished } from "../architecture/source.ts";

const PACK = new URL("../../scripts/pack.ts", import.meta.url);
const BUILD = fileURLToPath(new URL("../../scripts/build_npm.ts", import.meta.url));

Deno.test("deno pack and dnt give the same doors, dependencies and description", async () => {
  const directory = await Deno.makeTempDir();
  try {
    await pack(`${directory}/package.tgz`);
    const files = await list(`${directory}/package.tgz`);
    await new Deno.Command("tar", { args: ["-xzf", "package.tgz"], cwd: directory }).output();
    const packed = JSON.parse(await Deno.readTextFile(`${directory}/package/package.json`));
    const byDnt = finishPackageJson(madeByDnt());
    assertEquals({ ...packed, exports: null }, { ...byDnt, exports: null });
    assertEquals(Object.keys(packed.exports), Object.keys(byDnt.exports));
    for (const [name, target] of Object.entries(byDnt.exports)) {
      assertEquals(packed.exports[name], JSON.parse(JSON.stringify(target).replaceAll("./esm/", "./")));
    }
    for (const { types, default: code } of Object.values<{ types: string; default: string }>(packed.exports)) {
      for (const path of [types, code]) assert(files.includes(path.replace("./", "package/")), `${path} is packed`);
    }
    const strange = files.filter((path) =>
      !/\/$|\.js$|\.d\.ts$|\/(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/.test(path)
    );
    assertEquals(strange, []);
    // Each file of code takes Node time to load: see docs/DECISIONS.md.
    const code = files.filter((path) => path.endsWith(".js"));
    assert(code.length < 45, `there are few files of code: ${code.join(", ")}`);
    const bundled = await bundle(`${directory}/package`, ["CoordinationError", "MemoryBackend", "MessageCoordinator"]);
    assert(bundled.length < 65_000, `a program's bundle carries ${bundled.length} bytes, with what it does not use`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("build_npm.ts keeps to the documented interface of dnt", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const imports = { ...config.imports, "jsr:@deno/dnt@^0.43": new URL("dnt/mod.ts", import.meta.url).href };
    await Deno.writeTextFile(`${directory}/imports.json`, JSON.stringify({ imports }));
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["check", "--import-map", `${directory}/imports.json`, BUILD],
      env: { NO_COLOR: "1" },
    }).output();
    assert(success, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("build_npm.ts takes doors, description and last step from where pack.ts takes them", async () => {
  const [text, pack] = await Promise.all([Deno.readTextFile(BUILD), Deno.readTextFile(PACK)]);
  for (const script of [text, pack]) assert(script.includes("await finishPackage("));
  for (const name of ["ENTRY_POINTS", "METADATA"]) assert(text.split(name).length > 2, name);
});

Deno.test("finishPackageJson() refuses a driver that nothing imports, and an export that leads nowhere", () => {
  const made = madeByDnt();
  assertThrows(() => finishPackageJson({ ...made, dependencies: {} }), Error, "nothing imports the driver");
  assertThrows(() => finishPackageJson({ ...made, exports: { ".": {} } }), Error, "leads to no code");
});

Deno.test("finishPackage() keeps the doors where dnt has put them, with one copy of what they share, and the types they lead to", async () => {
  const directory = await Deno.makeTempDir();
  const write = (path: string, text: string) => Deno.writeTextFile(`${directory}/${path}`, text);
  try {
    for (const path of ["inner", ...PARTS.map((path) => dirname(path))]) {
      await Deno.mkdir(`${directory}/esm/${path}`, { recursive: true });
    }
    const exports = { ".": { import: "./esm/mod.js" }, "./inner": { import: "./esm/inner/door.js" } };
    await write("package.json", JSON.stringify({ ...madeByDnt(), type: "module", exports }));
    await write("esm/mod.js", 'export * from "./class.js"; export const load = () => import("ioredis");');
    await write("esm/inner/door.js", 'export { Shared as Same } from "../class.js";');
    await write("esm/class.js", "export class Shared { again() { return new Shared(); } }");
    await write("esm/class.d.ts", "export declare class Shared {}");
    await write("esm/mod.d.ts", 'export * from "./class.js";');
    await write("esm/inner/door.d.ts", 'export { Shared as Same } from "../class.js";');
    await write("esm/hidden.d.ts", "export {};");
    for (const path of PARTS) await write(`esm/${path.replace(/ts$/, "js")}`, "export {};");
    await finishPackage(directory);
    const [outer, inner] = await Promise.all(
      ["mod.js", "inner/door.js"].map((path) => import(`file://${directory}/esm/${path}`)),
    );
    assert(outer.Shared === inner.Same);
    assertEquals([outer.Shared.name, new outer.Shared().again() instanceof inner.Same], ["Shared", true]);
    const files = [...Deno.readDirSync(`${directory}/esm`)].filter(({ isFile }) => isFile).map(({ name }) => name);
    assertEquals(files.sort(), ["class.d.ts", "mod.d.ts", "mod.js"]);
    const { exports: doors } = JSON.parse(await Deno.readTextFile(`${directory}/package.json`));
    assertEquals(doors["./inner"], { types: "./esm/inner/door.d.ts", default: "./esm/inner/door.js" });
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

/** The package.json that dnt makes of the entry points and of the npm packages that the published code imports. */
function madeByDnt() {
  const imports: Readonly<Record<string, string>> = config.imports;
  const used = readPublished().flatMap((source) => source.imports.map(({ specifier }) => specifier ?? ""));
  const specifiers = [...new Set(used)].map((specifier) => imports[specifier] ?? specifier);
  const dependencies = specifiers.flatMap((specifier) => {
    const [, name, version] = /^npm:((?:@[^/]+\/)?[^/@]+)@([^/]+)/.exec(specifier) ?? [];
    return name !== undefined && version !== undefined ? [[name, version]] : [];
  });
  const doors = ENTRY_POINTS.map((
    { name, path },
  ) => [name, { import: path.replace("./", "./esm/").replace(/ts$/, "js") }]);
  return { ...METADATA, exports: Object.fromEntries(doors), dependencies: Object.fromEntries(dependencies) };
}

/** What a program carries along that takes some names from the package in a directory. */
async function bundle(directory: string, names: readonly string[]): Promise<string> {
  const { outputFiles: [file] } = await build({
    stdin: { contents: `export { ${names.join(", ")} } from "./mod.js";`, resolveDir: directory },
    bundle: true,
    minify: true,
    format: "esm",
    platform: "node",
    write: false,
    logLevel: "error",
  }).finally(stop);
  return file?.text ?? "";
}

async function list(tarball: string): Promise<string[]> {
  const { stdout } = await new Deno.Command("tar", { args: ["-tzf", tarball] }).output();
  return new TextDecoder().decode(stdout).trim().split("\n");
}
