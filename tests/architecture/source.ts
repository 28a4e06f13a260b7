/** Reads the published sources as the architecture tests need them: what they import, and where they read the time. @module */

/** The root of the project. */
export const ROOT = new URL("../../", import.meta.url);

/** One import or re-export. */
export interface Import {
  /** As it is written; `null` when it is not a literal. */
  readonly specifier: string | null;
  /** The file of the project that is meant, from the root; `null` for anything outside. */
  readonly file: string | null;
  /** Whether it is gone once types are stripped. */
  readonly isType: boolean;
  /** Whether it is loaded on demand. */
  readonly isDynamic: boolean;
}

/** One source file. */
export interface Source {
  /** Its path from the root, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
  /** The calls and names that reach the platform's clock and timers. */
  readonly timeReads: readonly string[];
  /** Whether it re-exports a module as a whole. */
  readonly exportsAll: boolean;
}

const TIME_MEMBERS = ["Date.now", "performance.now", "performance.timeOrigin", "AbortSignal.timeout", "Deno.cron"];
const TIME_CALLS = ["setTimeout", "setInterval", "Date"];
const TIME_MODULES = /^(node:)?timers(\/|$)|^jsr:@std\/async|^@std\/async/;

/** All sources of what is published: `mod.ts`, `src/`, `backends/` and `presets/`. */
export function readPublished(): Source[] {
  return ["mod.ts", ...["src", "backends", "presets"].flatMap(walk)].map(readSource);
}

/** The TypeScript files below a folder, in the order of their paths. */
export function walk(folder: string): string[] {
  const files: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    if (name === "node_modules") continue;
    if (isDirectory) files.push(...walk(`${folder}/${name}`));
    else if (name.endsWith(".ts")) files.push(`${folder}/${name}`);
  }
  return files.sort();
}

function readSource(path: string): Source {
  return parseSource(path, Deno.readTextFileSync(new URL(path, ROOT)));
}

/** Parses one file. */
export function parseSource(path: string, text: string): Source {
  const imports: Import[] = [];
  const timeReads: string[] = [];
  let exportsAll = false;
  const add = (specifier: string | null, isType: boolean, isDynamic = false) =>
    void imports.push({ specifier, file: resolve(path, specifier), isType, isDynamic });
  Deno.lint.runPlugin(
    {
      name: "architecture",
      rules: {
        read: {
          create: () => ({
            ImportDeclaration: ({ source, importKind }) => add(source.value, importKind === "type"),
            ExportNamedDeclaration: ({ source, exportKind }) => source && add(source.value, exportKind === "type"),
            ExportAllDeclaration: ({ source, exportKind }) => {
              add(source.value, exportKind === "type");
              exportsAll = true;
            },
            ImportExpression: ({ source }) => add(literal(source), false, true),
            TSImportType: ({ argument }) => add(literal(argument), true),
            MemberExpression: ({ object, property }) => {
              if (object.type !== "Identifier" || property.type !== "Identifier") return;
              if (TIME_MEMBERS.includes(`${object.name}.${property.name}`)) {
                timeReads.push(`${object.name}.${property.name}`);
              }
              if (object.name === "globalThis" && TIME_CALLS.includes(property.name)) timeReads.push(property.name);
            },
            CallExpression: ({ callee }) => {
              if (callee.type === "Identifier" && TIME_CALLS.includes(callee.name)) timeReads.push(`${callee.name}()`);
            },
            NewExpression: ({ callee, arguments: given }) => {
              if (callee.type === "Identifier" && callee.name === "Date" && given.length === 0) {
                timeReads.push("new Date()");
              }
            },
          }),
        },
      },
    },
    path,
    text,
  );
  timeReads.push(...imports.flatMap(({ specifier }) => specifier && TIME_MODULES.test(specifier) ? [specifier] : []));
  return { path, text, imports, timeReads, exportsAll };
}

function literal(node: Deno.lint.Expression | Deno.lint.TypeNode): string | null {
  if (node.type === "TSLiteralType") return literal(node.literal);
  return node.type === "Literal" && typeof node.value === "string" ? node.value : null;
}

function resolve(path: string, specifier: string | null): string | null {
  if (!specifier?.startsWith(".")) return null;
  return new URL(specifier, new URL(path, ROOT)).href.slice(ROOT.href.length);
}
