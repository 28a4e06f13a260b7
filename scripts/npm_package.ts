/** What the npm package is, for both ways to make it: `deno pack` and dnt. @module */

import config from "../deno.json" with { type: "json" };

/** A door of the package. */
export interface EntryPoint {
  /** As it is imported: `.` or `./name`. */
  readonly name: string;
  /** Its source, from the root of the project. */
  readonly path: string;
}

/** The part of a `package.json` that is looked at here. */
export interface PackageJson {
  readonly exports: Readonly<Record<string, Target>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

/** What a door leads to: a file, or a file for each condition. */
export type Target = string | { readonly [condition: string]: Target };

/** The doors of the package: those of JSR. */
export const ENTRY_POINTS: readonly EntryPoint[] = Object.entries(config.exports).map(([name, path]) => ({
  name,
  path,
}));

/** Where the source lives. npm takes a package with provenance from nowhere else. */
const REPOSITORY = "https://github.com/tta/agent-coordination";

/** What the package says of itself, beside what it exports and needs. */
export const METADATA = {
  name: config.name,
  version: config.version,
  description: "Coordination for systems of AI agents: mailboxes, registry, circuit breakers, retries and memory, on " +
    "memory, SQLite, Deno KV, Redis or PostgreSQL",
  keywords: ["agents", "coordination", "queue", "mailbox", "circuit-breaker", "retry", "redis", "sqlite", "postgres"],
  homepage: `https://jsr.io/${config.name}`,
  repository: { type: "git", url: `git+${REPOSITORY}.git` },
  bugs: { url: `${REPOSITORY}/issues` },
  license: config.license,
  engines: { node: ">=20" },
};

/** What programs use one of without the others: their bundlers can leave out the rest. */
export const PARTS: readonly string[] = [
  "presets/memory_primitive.ts",
  "src/agents/registry.ts",
  "src/memory/in_memory_store.ts",
  "src/memory/memory.ts",
  "src/messages/coordinator.ts",
  "src/resilience/circuit_breaker.ts",
  "src/resilience/retry.ts",
];

/** What one backend alone needs: whoever uses that backend installs it. */
export const DRIVERS: readonly string[] = ["@deno/kv", "ioredis", "postgres"];

/**
 * What may be missing, at the versions that fit: the drivers, and whose providers are found once they are registered.
 */
const PEERS = [...DRIVERS, "@opentelemetry/api"].sort();
const VERSIONS: Readonly<Record<string, string>> = config.imports;

/** The files that go along with the code. */
export const DOCUMENTS: readonly string[] = ["README.md", "LICENSE", "CHANGELOG.md"];

/**
 * The `package.json` to publish, of the one that a tool has made: with the same fields in the same order whichever tool
 * it was, each door open to `import` and to `require` of Node 20.19 and newer, and the drivers as optional peers.
 *
 * @throws {Error} When a driver is not among the dependencies: the list of drivers is out of date.
 */
export function finishPackageJson(made: PackageJson): PackageJson {
  const missing = DRIVERS.find((name) => made.dependencies[name] === undefined);
  if (missing !== undefined) throw new Error(`Cannot finish package.json: nothing imports the driver ${missing}`);
  const dependencies = sorted(Object.entries(made.dependencies));
  const doors = Object.entries(made.exports).map(([name, target]) => [name, door(target)] as const);
  return {
    ...METADATA,
    type: "module",
    sideEffects: false,
    exports: Object.fromEntries(doors),
    dependencies: Object.fromEntries(dependencies.filter(([name]) => !PEERS.includes(name))),
    peerDependencies: Object.fromEntries(PEERS.map((name) => [name, versionOf(name)])),
    peerDependenciesMeta: Object.fromEntries(PEERS.map((name) => [name, { optional: true }])),
  };
}

/** Types stand beside the code, as both tools put them. */
function door(target: Target): { readonly types: string; readonly default: string } {
  const path = codeOf(target);
  return { types: path.replace(/\.js$/, ".d.ts"), default: path };
}

/** The code that a door leads to. */
export function codeOf(target: Target | undefined): string {
  if (typeof target === "string") return target;
  if (target === undefined) throw new Error("Cannot finish package.json: an export leads to no code");
  return codeOf(target.import ?? target.default);
}

/** The versions that the import map allows, as in `npm:name@^1`. */
function versionOf(name: string): string {
  return VERSIONS[name]?.split("@").at(-1) ?? "*";
}

function sorted<Value>(entries: readonly (readonly [string, Value])[]): (readonly [string, Value])[] {
  return entries.toSorted(([a], [b]) => a < b ? -1 : 1);
}
