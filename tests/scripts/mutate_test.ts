/** Mutants: the faults that are made, those that are not, and what is known of survivors. @module */

import { assert, assertEquals } from "@std/assert";
import { compile } from "../../scripts/mutate/modules.ts";
import { mutantsOf } from "../../scripts/mutate/mutants.ts";
import { Sandbox } from "../../scripts/mutate/sandbox.ts";
import { judge } from "../../scripts/mutate/survivors.ts";
import { TARGETS } from "../../scripts/mutate/targets.ts";

const mutated = (text: string) => [...mutantsOf("a.ts", text)].map((mutant) => mutant.mutated);

Deno.test("mutantsOf() changes comparisons, arithmetic and logic", () => {
  assertEquals(mutated("a = b < c;").toSorted(), [";", "a = b <= c;", "a = b >= c;"]);
  assertEquals(mutated("a = b + c;").toSorted(), [";", "a = b - c;"]);
  assertEquals(mutated("a = !b;").toSorted(), [";", "a = b;"]);
  assertEquals(mutated("a = b ?? c;").toSorted(), [";", "a = (b);", "a = (c);"]);
  assertEquals(mutated("a = b && c;").toSorted(), [";", "a = b || c;"]);
});

Deno.test("mutantsOf() changes literals, conditions, what is returned, and leaves out statements", () => {
  assertEquals(mutated("let a = 5;"), ["let a = 6;", "let a = (4);"]);
  assertEquals(mutated('let a = "x";'), ['let a = "";']);
  assertEquals(mutated("if (a) b();").toSorted(), ["if (a) ;", "if (false) b();", "if (true) b();"]);
  assertEquals(mutated("const f = (a: number) => a > b;").includes("const f = (a: number) => true;"), true);
  assertEquals(mutated("function f() { return a; }"), ["function f() { return undefined; }"]);
  assertEquals(mutated("let a = b?.c;"), ["let a = b.c;"]);
});

Deno.test("mutantsOf() leaves types, imports, names of properties and the compiler's defaults alone", () => {
  assertEquals(mutated('import { a } from "a";\ntype B = "b" | 1;\nlet c: 2 | "c";'), []);
  assertEquals(mutated("const a = list[b] ?? 0;"), []);
  assertEquals(mutated('const a = { "b": c };'), []);
});

Deno.test("mutantsOf() says where a mutant is, and makes none twice", () => {
  const mutants = [...mutantsOf("a.ts", "// one\n  if (a\n    && b) c();\n")];
  assertEquals(new Set(mutants.map(({ code }) => code)).size, mutants.length);
  const or = mutants.find(({ mutated }) => mutated.includes("||"));
  assertEquals(or, {
    line: 3,
    original: "&& b) c();",
    mutated: "|| b) c();",
    code: '"use strict";\nif (a\n    || b)\n    c();\n',
  });
  assert(
    mutants.some(({ line, original, mutated }) => line === 2 && original === "if (a" && mutated === "if (true) c();"),
  );
});

Deno.test("judge() tells explained survivors from others, and explanations that are stale", () => {
  const mutant = (line: string) => ({ line: 1, original: "a", mutated: line, code: "" });
  const known = ["b", "gone"].map((each) => ({ file: "a.ts", original: "a", mutated: each, reason: "r" }));
  const other = { file: "b.ts", original: "a", mutated: "c", reason: "of another file" };
  const verdict = judge("a.ts", [mutant("b"), mutant("c")], [...known, other]);
  assertEquals(verdict.explained, 1);
  assertEquals(verdict.unexplained.map((each) => each.mutated), ["c"]);
  assertEquals(verdict.stale.map((each) => each.mutated), ["gone"]);
});

Deno.test("Sandbox.test() tells a fault that the tests notice from one that they do not, and from an endless loop", async () => {
  using sandbox = new Sandbox();
  const bag = await Deno.readTextFile(new URL("../../src/storage/bag.ts", import.meta.url));
  const outcomeOf = async (was: string, is: string) => {
    assert(bag.includes(was));
    const code = compile(bag.replace(was, is)) ?? "";
    const trial = { file: "src/storage/bag.ts", code, tests: ["tests/storage/bag_test.ts"], maxTurns: 1000 };
    return (await sandbox.test(trial)).outcome;
  };
  assertEquals(await outcomeOf("add(", "add("), "passed");
  assertEquals(await outcomeOf("return this.#items.length", "return 0"), "failed");
  assertEquals(await outcomeOf("add(item: Item): void {", "add(item: Item): void {\nwhile (true);\n"), "timed out");
  for (const unnoticed of ["Promise.reject(new Error());", "queueMicrotask(() => { throw new Error(); });"]) {
    assertEquals(
      await outcomeOf("add(item: Item): void {", `add(item: Item): void { ${unnoticed}`),
      "failed",
      unnoticed,
    );
  }
  assertEquals(await outcomeOf("add(", "add("), "passed");
});

Deno.test("TARGETS names files and tests that are there", async () => {
  for (const { file, tests } of TARGETS) {
    for (const path of [file, ...tests]) {
      assert((await Deno.stat(new URL(`../../${path}`, import.meta.url))).isFile, path);
    }
  }
});
