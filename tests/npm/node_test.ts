/**
 * The packed package is what Node runs: installed from its tarball in an empty project, on each version of Node.
 *
 * By default each version runs the conformance suite on some backends, so that it takes a minute; with TTA_LONG_TESTS in
 * the environment every version runs it on all.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { ENTRY_POINTS, METADATA } from "../../scripts/npm_package.ts";
import { postgresPrograms, PostgresServer } from "../servers/postgres.ts";
import { redisProgram, RedisServer } from "../servers/redis.ts";
import { Consumer } from "./consumer.ts";
import { findNodes, type Node } from "./nodes.ts";

const isLong = Deno.env.has("TTA_LONG_TESTS");
const ALL = ["memory", "sqlite", "deno-kv", "redis", "postgres"];
const LEAN: Readonly<Record<number, readonly string[]>> = {
  20: ["memory"],
  22: ["sqlite", "redis"],
  24: ["sqlite"],
  26: ["memory"],
};

/** How many suites run at the same time: one waits while the other works. */
const AT_ONCE = 2;

/** Of some more; on `npm:@deno/kv` two are left out. */
const FEWEST_CASES = 300;
const DOORS = ENTRY_POINTS.map(({ name }) => METADATA.name + name.slice(1));

Deno.test("the packed package", async (t) => {
  await using consumer = await Consumer.make();
  const step = (name: string, run: () => Promise<void>) => t.step({ name, fn: run });
  const nodes = await findNodes(consumer);

  for (const { major, program } of nodes) {
    await step(`Node ${major} imports and requires every export, with no driver installed`, async () => {
      const names = JSON.stringify(DOORS);
      const script = `const seen = []; for (const name of ${names}) seen.push(Object.keys(await import(name)).length);
        const { createRequire } = await import("node:module");
        const require = createRequire(process.cwd() + "/main.cjs");
        for (const name of ${names}) {
          const door = await import(name);
          if (require(name) !== door) throw new Error(name);
          for (const [key, value] of Object.entries(door)) {
            if (typeof value === "function" && value.name !== key) throw new Error(key + " is called " + value.name);
          }
        }
        console.log(JSON.stringify(seen));`;
      const { stdout, stderr } = await consumer.run(program, ["--input-type=module", "--eval", script]);
      assert(stdout !== "", stderr);
      assertEquals(JSON.parse(stdout).filter((count: number) => count === 0), []);
    });
  }

  await step("a driver that is not installed is named, and each class is the same behind every door", async () => {
    const script = `const { openBackend } = await import("${METADATA.name}/open");
      const { CoordinationError, MemoryBackend } = await import("${METADATA.name}");
      for (const url of ["redis://127.0.0.1:1", "postgres://127.0.0.1:1", "kv:kv.db"]) {
        await openBackend(url).catch((error) => console.log(error.code, error.message));
        await openBackend(url).catch((error) => console.log(error instanceof CoordinationError));
      }
      console.log(await openBackend("memory:") instanceof MemoryBackend);`;
    const { stdout } = await consumer.run(nodes[0]?.program ?? "node", ["--input-type=module", "--eval", script]);
    assertEquals(stdout.trim().split("\n"), [
      "DRIVER_MISSING Cannot use Redis: it needs the package ioredis",
      "true",
      "DRIVER_MISSING Cannot use PostgreSQL: it needs the package postgres",
      "true",
      "DRIVER_MISSING Cannot open Deno KV: it needs the package @deno/kv",
      "true",
      "true",
    ]);
  });

  await consumer.installTheRest();

  for (const moduleResolution of ["nodenext", "bundler"]) {
    await step(`TypeScript finds its types, strictly, with moduleResolution ${moduleResolution}`, async () => {
      await copy(consumer, "consumer.mts");
      const module = moduleResolution === "bundler" ? "esnext" : moduleResolution;
      const options = { module, moduleResolution, target: "es2023", lib: ["esnext"], types: ["node"], noEmit: true };
      const strict = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true };
      await consumer.write(
        "tsconfig.json",
        JSON.stringify({ compilerOptions: { ...options, ...strict, skipLibCheck: false }, files: ["consumer.mts"] }),
      );
      const { success, stdout } = await consumer.run("node", ["node_modules/typescript/bin/tsc", "--project", "."]);
      assert(success, stdout);
    });
  }

  for (const node of nodes) {
    await step(`Node ${node.major} runs the README's examples`, () => runReadme(consumer, node));
  }

  await using servers = await Servers.start();
  for (const node of nodes) {
    const backends = isLong ? ALL : LEAN[node.major] ?? ["memory"];
    await step(`Node ${node.major} passes the conformance suite on ${backends.join(", ")}`, async () => {
      const usable = backends.filter((name) => servers.has(name) && !(name === "sqlite" && node.major < 22));
      await copy(consumer, "conformance.mjs");
      const failures: unknown[] = [];
      while (usable.length > 0) {
        const runs = usable.splice(0, AT_ONCE).map((name) => runSuite(consumer, node, name, servers.env));
        for (const run of await Promise.allSettled(runs)) if (run.status === "rejected") failures.push(run.reason);
      }
      if (failures.length > 0) throw new Error(failures.join("\n"));
    });
  }

  await step("Node without node:sqlite is told what the SQLite backend needs", async () => {
    const old = nodes.find(({ major }) => major < 22);
    if (!old) return;
    const script =
      `const { SqliteBackend } = await import("${METADATA.name}/sqlite"); new SqliteBackend({ path: "x" });`;
    const { success, stderr } = await consumer.run(old.program, ["--input-type=module", "--eval", script]);
    assert(!success);
    assertMatch(stderr, /no node:sqlite, which Deno and Node 22\.13 or newer have/);
  });
});

/** Runs the blocks in the README that a version of Node can run: it knows types and `await using` since 24. */
async function runReadme(consumer: Consumer, { program, major }: Node): Promise<void> {
  const text = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const all = [...text.matchAll(/^```(js|ts)\n(.*?)^```$/gms)].map(([, language = "", code = ""]) => ({
    language,
    code,
  }));
  const languages = major >= 24 ? ["js", "ts"] : ["js"];
  for (const language of languages) {
    const blocks = all.filter((each) => each.language === language);
    assert(blocks.length > 0, `the README has ${language} for Node`);
    for (const { code } of blocks.filter(({ code }) => major >= 22 || !code.includes("/sqlite"))) {
      const name = `readme.m${language}`;
      await consumer.write(name, code);
      const { success, stderr } = await consumer.run(program, [name]);
      assert(success, `${code}\n${stderr}`);
    }
  }
}

async function runSuite(
  consumer: Consumer,
  { program }: Node,
  backend: string,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const args = ["--test", "--test-reporter=tap", "conformance.mjs"];
  const { success, stdout, stderr } = await consumer.run(program, args, { ...env, TTA_BACKEND: backend });
  const failed = stdout.split(/^# Subtest: /m).filter((each) => /^ *not ok/m.test(each));
  assert(success && failed.length === 0, `on ${backend}:\n${failed.join("\n")}\n${stderr}`);
  const count = Number(/^# pass (\d+)$/m.exec(stdout)?.[1] ?? 0);
  assert(count >= FEWEST_CASES, `only ${count} cases passed on ${backend}:\n${stdout.slice(-2000)}`);
}

async function copy(consumer: Consumer, name: string): Promise<void> {
  await consumer.write(name, await Deno.readTextFile(new URL(name, import.meta.url)));
}

/** The servers that can be had here. */
class Servers implements AsyncDisposable {
  readonly #redis: RedisServer | null;
  readonly #postgres: PostgresServer | null;

  private constructor(redis: RedisServer | null, postgres: PostgresServer | null) {
    this.#redis = redis;
    this.#postgres = postgres;
  }

  static async start(): Promise<Servers> {
    const redis = redisProgram === null ? null : await RedisServer.start();
    const isNeeded = postgresPrograms !== null && isLong;
    return new Servers(redis, isNeeded ? await PostgresServer.start() : null);
  }

  get env(): Readonly<Record<string, string>> {
    return { REDIS_URL: this.#redis?.url ?? "", POSTGRES_URL: this.#postgres?.url ?? "" };
  }

  /** Whether what a backend needs is there. */
  has(backend: string): boolean {
    if (backend === "redis") return this.#redis !== null;
    return backend !== "postgres" || this.#postgres !== null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redis?.[Symbol.asyncDispose]();
    await this.#postgres?.[Symbol.asyncDispose]();
  }
}
