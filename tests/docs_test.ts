/** The documents name nothing that is not there, and say what the sources say. @module */

import { assert, assertEquals } from "@std/assert";
import { comparisons as breaker } from "../bench/peers/breaker.ts";
import { comparisons as denoKv } from "../bench/peers/deno_kv.ts";
import { comparisons as memory } from "../bench/peers/memory.ts";
import { comparisons as postgres } from "../bench/peers/postgres.ts";
import { comparisons as redis } from "../bench/peers/redis.ts";
import { comparisons as sqlite } from "../bench/peers/sqlite.ts";
import config from "../deno.json" with { type: "json" };
import { promisesOf } from "../scripts/docs/promises.ts";
import { conformanceCases } from "../src/testing/cases/mod.ts";

const ROOT = new URL("../", import.meta.url);

for (const path of documents()) {
  const text = readText(path);

  Deno.test(`${path} links to files that exist`, () => {
    const links = [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)/g)].map(([, link = ""]) => link);
    assertEquals(links.filter((link) => !exists(new URL(link, new URL(path, ROOT)))), []);
  });

  Deno.test(`${path} names files that exist`, () => {
    const files = [
      ...text.matchAll(/\b(?:examples|scripts|bench|tests|src|backends|presets)\/[\w./-]+\.(?:ts|mjs|json)\b/g),
    ];
    assertEquals(files.map(([file]) => file).filter((file) => !exists(new URL(file, ROOT))), []);
  });

  Deno.test(`${path} has no block of code that nothing looks at`, () => {
    const kinds = [...text.matchAll(/^```(\S.*)$/gm)].map(([, kind = ""]) => kind);
    // Those in ts and js are run, the tasks and files of those in sh are looked up, as are the metrics of the alerts.
    const known = ["ts", "js", "sh", "yaml", "mermaid", "ts no-check ignore"];
    assertEquals(kinds.filter((kind) => !known.includes(kind)), []);
  });

  Deno.test(`${path} names tasks that exist`, () => {
    const tasks = [...text.matchAll(/(?:deno|deno@[\d.]+) task ([a-z:]+)/g)].map(([, task = ""]) => task);
    assertEquals(tasks.filter((task) => !Object.hasOwn(config.tasks, task)), []);
  });
}

Deno.test("docs/API.md and the lists of tests in docs/GUARANTEES.md are what the sources say", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-read", "--allow-run", "scripts/docs.ts", "--check"],
    cwd: ROOT,
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr));
});

Deno.test("docs/GUARANTEES.md has every promise that a test bears the number of, and tests for each that it has", () => {
  const text = readText("docs/GUARANTEES.md");
  const promised = [...text.matchAll(/^## (G\d+) /gm)].map(([, promise = ""]) => promise);
  assertEquals(promised, Array.from({ length: 13 }, (_, index) => `G${index + 1}`));
  assertEquals([...new Set(promisesOf(ROOT).map(({ promise }) => promise))].sort(), promised.toSorted());
});

Deno.test("docs/GUARANTEES.md names tests that exist", () => {
  const cases = new Set(conformanceCases.map(({ name }) => name));
  let file = "";
  const missing: string[] = [];
  for (const line of unwrapped(readText("docs/GUARANTEES.md"))) {
    const [, path] = /^- In \[(tests\/[^\]]+)\]/.exec(line) ?? [];
    if (path !== undefined) file = readText(path);
    const [, indented, name = ""] = /^( *)- (.*)$/.exec(line) ?? [];
    if (indented === "  " && !file.includes(name)) missing.push(name);
    if (indented === "" && /\bG\d+ /.test(name) && !cases.has(name)) missing.push(name);
  }
  assertEquals(missing, []);
});

Deno.test("docs/MIGRATION.md names options that import:tta has", () => {
  const known = readText("scripts/import_tta.ts");
  const options = [...readText("docs/MIGRATION.md").matchAll(/--([a-z][a-z-]+)/g)].map(([, name = ""]) => name);
  assert(options.length > 0);
  assertEquals(options.filter((name) => !known.includes(`"${name}": {`)), []);
});

Deno.test("docs/EXAMPLES.md has every example", () => {
  const text = readText("docs/EXAMPLES.md");
  assertEquals(sourcesIn("examples/").filter((path) => !text.includes(`(../${path})`)), []);
});

Deno.test("README.md has examples of less than 20 lines", () => {
  const blocks = [...readText("README.md").matchAll(/^```(?:ts|js)\n(.*?)^```$/gms)].map(([, block = ""]) => block);
  assert(blocks.length >= 6);
  assertEquals(blocks.filter((block) => block.trimEnd().split("\n").length >= 20), []);
});

Deno.test("README.md has figures of comparisons that bench:peers makes", () => {
  const text = readText("README.md");
  const figures = text.slice(text.indexOf("<!-- figures: begin"), text.indexOf("<!-- figures: end"));
  const names = [...figures.matchAll(/^\| `([^`]+)` /gm)].map(([, name = ""]) => name);
  const known = [...breaker, ...denoKv, ...memory, ...postgres, ...redis, ...sqlite].map(({ name }) => name);
  assert(names.length > 0);
  assertEquals(names.filter((name) => !known.includes(name)), []);
});

Deno.test("docs/OPERATIONS.md has the metrics that are recorded, and alerts on no others", () => {
  const text = readText("docs/OPERATIONS.md");
  const source = ["messaging_telemetry.ts", "primitive_telemetry.ts"]
    .map((name) => readText(`src/observability/${name}`)).join();
  const calls = [...source.matchAll(/\.(?:count|time|change)\("([^"]+)"/g)].map(([, name = ""]) => name);
  const recorded = [...new Set([...calls, "messaging.process.duration"])].sort(); // its name is chosen before the call
  assertEquals([...text.matchAll(/^\| `((?:messaging|tta)\.[^`]+)` /gm)].map(([, name = ""]) => name).sort(), recorded);
  const alerts = [...text.matchAll(/\b((?:messaging|tta)_[a-z_]+)(?=[{\[])/g)].map(([, name = ""]) =>
    name.replace(/(_seconds)?(_count|_total)$/, "")
  );
  assertEquals(alerts.filter((name) => !recorded.some((metric) => metric.replaceAll(".", "_") === name)), []);
});

Deno.test("docs/OPERATIONS.md has the environment variables that examples and tests read", () => {
  const text = readText("docs/OPERATIONS.md");
  const read = ["examples/", "tests/"].flatMap(sourcesIn).flatMap((path) =>
    [...readText(path).matchAll(/env\.get\("(TTA_[A-Z_]+)"\)/g)].map(([, name = ""]) => name)
  );
  assertEquals([...new Set(read)].filter((name) => !text.includes(`\`${name}\``)), []);
});

/** The modules below a folder. */
function sourcesIn(folder: string): string[] {
  return [...Deno.readDirSync(new URL(folder, ROOT))].flatMap(({ name, isDirectory }) => {
    if (isDirectory) return sourcesIn(`${folder}${name}/`);
    return name.endsWith(".ts") ? [folder + name] : [];
  });
}

/** The lines of a document, with those that go on with a list's item joined to it. */
function unwrapped(text: string): string[] {
  return text.replaceAll(/\n +(?![ -])/g, " ").split("\n");
}

function readText(path: string): string {
  return Deno.readTextFileSync(new URL(path, ROOT));
}

function documents(): string[] {
  return ["", "docs/"].flatMap((folder) =>
    [...Deno.readDirSync(new URL(folder || ".", ROOT))].filter(({ name }) => name.endsWith(".md"))
      .map(({ name }) => folder + name)
  ).sort();
}

function exists(url: URL): boolean {
  try {
    Deno.statSync(url);
    return true;
  } catch {
    return false;
  }
}
