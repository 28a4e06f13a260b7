/** Finds the tests that bear the number of a promise, and lists them in a document. @module */

import { conformanceCases } from "../../src/testing/cases/mod.ts";

/** A test that holds a promise. */
export interface PromiseTest {
  /** Such as `G1`. */
  readonly promise: string;
  readonly name: string;
  /** The file of the test; `null` for a case of the conformance suite, which every backend passes. */
  readonly path: string | null;
}

/** The name of a test: what a function whose name ends in "test" is given first, or a member `name`. */
const NAME = /(?:[Tt]est\(|\bname:)\s*(?:"([^"\n]*)"|`([^`\n]*)`)/g;

/** All tests whose names bear the number of a promise, in the order of their names. */
export function promisesOf(root: URL): PromiseTest[] {
  const found = new Map<string, PromiseTest>();
  const add = (name: string, path: string | null) => {
    const [promise] = /\bG\d+(?= )/.exec(name) ?? [];
    if (promise !== undefined && !found.has(name)) found.set(name, { promise, name, path });
  };
  for (const { name } of conformanceCases) add(name, null);
  for (const path of testFiles(root, "tests/")) {
    const text = Deno.readTextFileSync(new URL(path, root));
    for (const [, double, template] of text.matchAll(NAME)) {
      add(double ?? template ?? "", path);
    }
  }
  return [...found.values()].sort((a, b) => a.name < b.name ? -1 : 1);
}

/** A document with the lists between `<!-- tests of G1 -->` and `<!-- end -->` made new. */
export function fillIn(document: string, tests: readonly PromiseTest[]): string {
  return document.replaceAll(
    /(<!-- tests of (G\d+) -->\n).*?(<!-- end -->)/gs,
    (_all, begin: string, promise: string, end: string) => `${begin}\n${listOf(promise, tests)}\n\n${end}`,
  );
}

function listOf(promise: string, tests: readonly PromiseTest[]): string {
  const own = tests.filter((test) => test.promise === promise);
  const suite = own.filter(({ path }) => path === null).map(({ name }) => `- ${name}`);
  const files = new Set(own.map(({ path }) => path).filter((path) => path !== null));
  const others = [...files].sort().flatMap((path) => [
    `- In [${path}](../${path}):`,
    ...own.filter((test) => test.path === path).map(({ name }) => `  - ${name}`),
  ]);
  return [...suite, ...others].join("\n");
}

function testFiles(root: URL, folder: string): string[] {
  return [...Deno.readDirSync(new URL(folder, root))].flatMap(({ name, isDirectory }) => {
    if (isDirectory) return testFiles(root, `${folder}${name}/`);
    return name.endsWith("_test.ts") ? [folder + name] : [];
  }).sort();
}
