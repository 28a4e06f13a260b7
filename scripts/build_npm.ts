/**
 * Makes the npm package with dnt, in `npm/`, ready for `npm publish`: `deno task build:npm`.
 *
 * @module
 */

import { build, emptyDir } from "jsr:@deno/dnt@^0.43";
import { finishPackage } from "./finish_npm.ts";
import { DOCUMENTS, ENTRY_POINTS, METADATA } from "./npm_package.ts";

const OUT = "./npm";

Deno.chdir(new URL("../", import.meta.url));
await emptyDir(OUT);
await build({
  entryPoints: ENTRY_POINTS.map(({ name, path }) => ({ name, path })),
  outDir: OUT,
  // The code uses nothing of Deno that it cannot do without.
  shims: {},
  // What the code uses, Node has had since version 20.
  polyfills: false,
  // One copy of each class: two would not be instances of each other. `require` of Node takes modules, too.
  scriptModule: false,
  // The suite runs on the finished package, on several versions of Node: see tests/npm.
  test: false,
  typeCheck: "single",
  compilerOptions: { target: "ES2022", lib: ["ESNext", "DOM", "DOM.Iterable"] },
  package: { ...METADATA, devDependencies: { "@types/node": "^24" } },
  async postBuild() {
    await finishPackage(OUT);
    for (const name of DOCUMENTS) await Deno.copyFile(name, `${OUT}/${name}`);
  },
});
