/** Holds the rules of docs/ARCHITECTURE.md: who imports whom, who reads the time, and how a file is laid out. @module */

import { assert, assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };
import { type Import, parseSource, readPublished, ROOT, type Source, walk } from "./architecture/source.ts";

const sources = readPublished();
const byPath = new Map(sources.map((source) => [source.path, source]));
const importMap: Readonly<Record<string, string>> = config.imports;

/** What everybody may import, and what imports nothing of the project but each other. */
const ROOT_FILES = ["src/clock.ts", "src/ids.ts", "src/errors.ts", "src/check.ts", "src/emitter.ts"];
/** Alone among the backends, it knows all the others; it loads them on demand. */
const OPENER = "backends/open.ts";
const MAX_CODE_LINES = 350;

Deno.test("src/storage and the root modules import nothing of the project but each other", () => {
  assertNone(forbidden("roots", ({ file }) => file === null || areaOf(file) === "roots"));
});

Deno.test("primitives import the roots, themselves and what docs/ARCHITECTURE.md lists", () => {
  const listed = listedImports();
  const used = new Set<string>();
  const wrong = sources.filter(({ path }) => path.startsWith("src/")).flatMap((source) =>
    source.imports.filter(({ file }) => {
      if (file === null || areaOf(file) === "roots" || areaOf(file) === areaOf(source.path)) return false;
      const rule = listed.find(({ from, to }) => source.path.startsWith(from) && file.startsWith(to));
      if (rule) used.add(rule.row);
      return rule === undefined;
    }).map((each) => describe(source, each))
  );
  assertNone(wrong);
  assertNone(listed.filter(({ row }) => !used.has(row)).map(({ row }) => `nobody needs ${row}`));
});

Deno.test("backends import the roots and themselves, never a primitive or another backend", () => {
  const backends = sources.filter(({ path }) => path.startsWith("backends/") && path !== OPENER);
  assertNone(backends.flatMap((source) =>
    source.imports
      .filter(({ file }) => file !== null && areaOf(file) !== "roots" && areaOf(file) !== areaOf(source.path))
      .map((each) => describe(source, each))
  ));
});

Deno.test("backends/open.ts loads the other backends on demand", () => {
  const opener = byPath.get(OPENER);
  const wrong =
    opener?.imports.filter(({ file, isType, isDynamic }) =>
      file !== null && areaOf(file) !== "roots" && !isType && !isDynamic
    ) ?? [];
  assertNone(wrong.map(({ specifier }) => `${OPENER} imports ${specifier} at once`));
});

Deno.test("presets wire primitives to backends, the one in memory at once and all others on demand; mod.ts alone imports them", () => {
  const early = sources.filter(({ path }) => areaOf(path) === "presets").flatMap((source) =>
    source.imports.filter(({ file, isType, isDynamic }) =>
      file?.startsWith("backends/") && file !== "backends/memory.ts" && !isType && !isDynamic
    ).map((each) => describe(source, each))
  );
  const users = sources.filter(({ path }) => path !== "mod.ts" && areaOf(path) !== "presets").flatMap((source) =>
    source.imports.filter(({ file }) => file !== null && areaOf(file) === "presets").map((each) =>
      describe(source, each)
    )
  );
  assertNone([...early, ...users]);
});

Deno.test("mod.ts loads no package: no driver, and not the OpenTelemetry API", () => {
  const loaded = loadedBy("mod.ts");
  const wrong = loaded.flatMap((source) =>
    source.imports.filter(({ file, isType, isDynamic }) => file === null && !isType && !isDynamic)
      .map((each) => describe(source, each))
  );
  assertNone(wrong);
  assert(loaded.length > 50, "the graph was walked");
});

Deno.test("mod.ts names all that it exports", () => {
  assertNone(sources.filter(({ path, exportsAll }) => path === "mod.ts" && exportsAll).map(({ path }) => path));
});

Deno.test("published modules import nothing from jsr: or the web, and only what can be seen without running them", () => {
  const wrong = sources.flatMap((source) =>
    source.imports.filter(({ specifier }) => specifier === null || /^(jsr|https?):/.test(mapped(specifier)))
      .map((each) => describe(source, each))
  );
  assertNone(wrong);
});

Deno.test("a driver is imported by one backend alone", () => {
  const users = new Map<string, Set<string>>();
  for (const { path, imports } of sources.filter(({ path }) => path.startsWith("backends/"))) {
    for (const { specifier, file, isType } of imports) {
      if (file !== null || specifier === null || isType || specifier.startsWith("node:")) continue;
      const driver = packageOf(specifier);
      users.set(driver, (users.get(driver) ?? new Set()).add(areaOf(path)));
    }
  }
  const shared = [...users].filter(([, areas]) => areas.size > 1);
  assertNone(shared.map(([driver, areas]) => `${driver} is imported by ${[...areas].join(" and ")}`));
});

Deno.test("src/clock.ts alone reads the time and sets timers", () => {
  const wrong = sources.filter(({ path, timeReads }) => path !== "src/clock.ts" && timeReads.length > 0);
  assertNone(wrong.map(({ path, timeReads }) => `${path} uses ${timeReads.join(", ")}`));
  assert((byPath.get("src/clock.ts")?.timeReads.length ?? 0) > 0, "reads of the time were looked for");
});

Deno.test("no modules import one another in a circle, types aside", () => {
  const done = new Set<string>();
  const wrong: string[] = [];
  const visit = (path: string, trail: readonly string[]) => {
    if (trail.includes(path)) wrong.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
    if (done.has(path) || trail.includes(path)) return;
    for (const { file, isType, isDynamic } of byPath.get(path)?.imports ?? []) {
      if (file !== null && !isType && !isDynamic) visit(file, [...trail, path]);
    }
    done.add(path);
  };
  for (const { path } of sources) visit(path, []);
  assertNone(wrong);
});

Deno.test("every file begins with a module doc; only an entry point's has more than one line", () => {
  const entryPoints = Object.values(config.exports).map((path) => path.replace("./", ""));
  assertNone(
    [...sources, ...["bench", "examples", "scripts"].flatMap(walk).map(readText)].filter(({ path, text }) => {
      const doc = /^(?:#!.*\n)?(\/\*\*.*?\*\/)\n/s.exec(text)?.[1] ?? "";
      const mayBeLong = entryPoints.includes(path) || !byPath.has(path);
      return !/\* @module$|@module \*\/$/m.test(doc) || (!mayBeLong && doc.includes("\n"));
    }).map(({ path }) => path),
  );
});

Deno.test(`a published file has at most ${MAX_CODE_LINES} lines, comments and blank lines aside`, () => {
  const lengths = sources.map(({ path, text }) => ({ path, lines: countCodeLines(text) }));
  const wrong = lengths.filter(({ lines }) => lines > MAX_CODE_LINES);
  assertNone(wrong.map(({ path, lines }) => `${path} has ${lines}`));
});

Deno.test("an exception from the linter carries its reason", () => {
  const files = ["backends", "bench", "examples", "presets", "scripts", "src", "tests"].flatMap(walk).map(readText);
  const directive = new RegExp("^\\s*// deno-lint-ignore(?!.* -- \\S).*$", "gm");
  assertNone(files.flatMap(({ path, text }) => [...text.matchAll(directive)].map(([line]) => `${path}: ${line}`)));
});

Deno.test("the leak sanitizers are on", () => {
  assertEquals(config.test, { sanitizeOps: true, sanitizeResources: true });
});

Deno.test("parseSource() sees imports of every form, and what reads the time, but no comment or string", () => {
  const { imports, timeReads, exportsAll } = parseSource(
    "src/a/b.ts",
    `import type { A } from "./a.ts"; import { type B } from "../b.ts"; import "zod"; // import "./no.ts"
     export { c } from "./c.ts"; export * from "./d.ts"; export type { E } from "../../backends/e.ts";
     const lazy = await import("./f.ts"); type G = import("./g.ts").G; const h = await import(lazy.name);
     const text = 'import "./no.ts"; Date.now()'; setTimeout(() => performance.now(), 1); new Date(); new Date(0);`,
  );
  assertEquals(imports.map(({ specifier, file, isType, isDynamic }) => [specifier, file, isType, isDynamic]), [
    ["./a.ts", "src/a/a.ts", true, false],
    ["../b.ts", "src/b.ts", false, false],
    ["zod", null, false, false],
    ["./c.ts", "src/a/c.ts", false, false],
    ["./d.ts", "src/a/d.ts", false, false],
    ["../../backends/e.ts", "backends/e.ts", true, false],
    ["./f.ts", "src/a/f.ts", false, true],
    ["./g.ts", "src/a/g.ts", true, false],
    [null, null, false, true],
  ]);
  assertEquals(timeReads.toSorted(), ["new Date()", "performance.now", "setTimeout()"]);
  assertEquals(exportsAll, true);
});

/** The part of the project that a file belongs to: `roots`, `presets`, a primitive such as `messages`, or a backend. */
function areaOf(path: string): string {
  if (ROOT_FILES.includes(path) || path.startsWith("src/storage/")) return "roots";
  const [top = "", second = ""] = path.split("/");
  if (top === "presets") return top;
  return top === "backends" ? `backends/${second.replace(/\.ts$/, "")}` : second;
}

function forbidden(area: string, isAllowed: (each: Import) => boolean): string[] {
  return sources.filter(({ path }) => areaOf(path) === area).flatMap((source) =>
    source.imports.filter((each) => !isAllowed(each)).map((each) => describe(source, each))
  );
}

/** The rows of the table of imports between primitives: `` | `from` | `to` | why | ``. */
function listedImports(): { readonly row: string; readonly from: string; readonly to: string }[] {
  const text = Deno.readTextFileSync(new URL("docs/ARCHITECTURE.md", ROOT));
  return [...text.matchAll(/^\| `(src\/[^`]+)` *\| `(src\/[^`]+)` *\| .+\|$/gm)]
    .map(([row, from = "", to = ""]) => ({ row, from, to }));
}

/** The files that are loaded with one, itself among them. */
function loadedBy(path: string, seen: Set<string> = new Set()): Source[] {
  const source = byPath.get(path);
  if (!source || seen.has(path)) return [];
  seen.add(path);
  const next = source.imports.filter(({ isType, isDynamic }) => !isType && !isDynamic);
  return [source, ...next.flatMap(({ file }) => file === null ? [] : loadedBy(file, seen))];
}

function mapped(specifier: string): string {
  return importMap[specifier] ?? importMap[packageOf(specifier)] ?? specifier;
}

/** The package of a specifier, without protocol, version and path. */
function packageOf(specifier: string): string {
  return /^(?:npm:)?((?:@[^/]+\/)?[^/@]+)/.exec(specifier)?.[1] ?? specifier;
}

function describe({ path }: Source, { specifier }: Import): string {
  return `${path} imports ${specifier ?? "what only running it shows"}`;
}

function readText(path: string): { readonly path: string; readonly text: string } {
  return { path, text: Deno.readTextFileSync(new URL(path, ROOT)) };
}

function countCodeLines(text: string): number {
  return text.replaceAll(/\/\*.*?\*\//gs, "").split("\n").filter((line) => !/^\s*(\/\/|$)/.test(line)).length;
}

function assertNone(wrong: readonly string[]): void {
  assertEquals(wrong, []);
}
