/**
 * The last step of both ways to make the npm package: its code in few files, no type too many, and its `package.json`.
 *
 * @module
 */

import { build, stop } from "esbuild";
import { dirname, resolve } from "node:path";
import { codeOf, finishPackageJson, type PackageJson, PARTS } from "./npm_package.ts";

/** Finishes the package that a tool has made in a directory. */
export async function finishPackage(directory: string): Promise<void> {
  const root = await Deno.realPath(directory); // esbuild follows links, which temporary directories of macOS are behind
  const path = `${root}/package.json`;
  const made: PackageJson = JSON.parse(await Deno.readTextFile(path));
  const doors = Object.values(made.exports).map((target) => resolve(root, codeOf(target)));
  const inner = dirname(resolve(root, codeOf(made.exports["."])));
  await bundle(inner, doors);
  const types = await typesBehind(doors);
  await remove(inner, (path) => path.endsWith(".d.ts") && !types.has(path));
  await Deno.writeTextFile(path, JSON.stringify(finishPackageJson(made), null, 2) + "\n");
}

/**
 * Puts the code in a directory together. Each door stays where it is; what several doors or parts need is in files that
 * they share, so that there is one copy of each class. Packages are imported as before.
 */
async function bundle(directory: string, doors: readonly string[]): Promise<void> {
  const parts = PARTS.map((path) => resolve(directory, path.replace(/ts$/, "js")));
  const { outputFiles } = await build({
    absWorkingDir: directory,
    entryPoints: [...doors, ...parts],
    outbase: directory,
    outdir: directory,
    chunkNames: "shared/[hash]",
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "neutral",
    packages: "external",
    write: false,
  }).finally(stop);
  await remove(directory, (path) => path.endsWith(".js"));
  await Deno.mkdir(`${directory}/shared`);
  // A part is no door: it only makes its code stand apart.
  const needed = outputFiles.filter(({ path }) => !parts.includes(path));
  for (const { path, text } of needed) await Deno.writeTextFile(path, withNames(text));
}

/** Gives classes that name themselves their names back: esbuild makes `var Name = class _Name` of them. */
function withNames(code: string): string {
  const renamed = [...code.matchAll(/^var (\w+) = class _\1 /gm)].map(([, name = ""]) => name);
  return renamed.reduce((text, name) => text.replaceAll(new RegExp(`\\b_${name}\\b`, "g"), name), code);
}

/** The files of types that the doors lead to: dnt makes one of each source. */
async function typesBehind(doors: readonly string[]): Promise<ReadonlySet<string>> {
  const found = new Set(doors.map((path) => path.replace(/\.js$/, ".d.ts")));
  for (const path of found) {
    const text = await Deno.readTextFile(path);
    for (const [, name = ""] of text.matchAll(/(?:from|import)\s*\(?\s*["'](\.[^"']+)["']/g)) {
      found.add(resolve(dirname(path), name.replace(/\.js$/, ".d.ts"))); // which is looked at in its turn
    }
  }
  return found;
}

/** Removes files below a directory. */
async function remove(directory: string, isSuperfluous: (path: string) => boolean): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const path = resolve(directory, name);
    if (isDirectory) await remove(path, isSuperfluous);
    else if (isSuperfluous(path)) await Deno.remove(path);
  }
}
