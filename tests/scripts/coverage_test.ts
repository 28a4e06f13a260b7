/** The coverage command finds what was not run, and lets nothing be left out without a reason. @module */

import { assertEquals } from "@std/assert";
import { removeTorn } from "../../scripts/coverage.ts";
import {
  exclusionsWithoutReason,
  judgeFile,
  judgeUnloaded,
  parseLcov,
  placesOf,
} from "../../scripts/coverage_report.ts";

Deno.test("parseLcov() reads the counts of lines and branches by file", () => {
  const files = parseLcov(
    "SF:/a.ts\nBRDA:2,1,0,0\nBRDA:2,1,1,7\nBRDA:3,1,0,-\nDA:1,5\nDA:2,0\nend_of_record\nSF:/b.ts\nDA:9,1\nend_of_record\n",
  );
  assertEquals([...files.keys()], ["/a.ts", "/b.ts"]);
  assertEquals([...files.get("/a.ts")?.lines ?? []], [[1, 5], [2, 0]]);
  assertEquals([...files.get("/a.ts")?.branches ?? []], [[2, [0, 7]], [3, [0]]]);
});

Deno.test("judgeFile() names the lines that were not run, and those that went one way alone", () => {
  const lines = new Map([[1, 1], [2, 0], [3, 4]]);
  const branches = new Map([[2, [0, 0]], [3, [0, 4]]]);
  assertEquals(judgeFile("a.ts", "one\ntwo\nthree ? 3 : 4", { lines, branches }), {
    path: "a.ts",
    lines: { run: 2, total: 3 },
    branches: { run: 1, total: 4 },
    gaps: [{ line: 2, kind: "line" }, { line: 3, kind: "branch" }],
  });
});

Deno.test("judgeFile() excuses the default of an index, one branch for each, and no other default", () => {
  const text = "const a = list[0] ?? 0;\nconst b = map.get(0) ?? 0;\nconst c = list[1] ?? compute();";
  const branches = new Map([[1, [0, 3]], [2, [0, 3]], [3, [0, 3]]]);
  const { gaps } = judgeFile("a.ts", text, { lines: new Map(), branches });
  assertEquals(gaps.map(({ line }) => line), [2, 3]);
  const two = judgeFile("a.ts", text, { lines: new Map(), branches: new Map([[1, [0, 3, 0, 3]]]) });
  assertEquals(two.branches, { run: 2, total: 3 });
});

Deno.test("judgeUnloaded() takes a file that nobody loads for a gap, unless it holds types alone", () => {
  assertEquals(judgeUnloaded("a.ts", "export const a = 1;\n")?.gaps, [{ line: 1, kind: "file" }]);
  assertEquals(judgeUnloaded("a.ts", 'import type { B } from "./b.ts";\nexport interface A extends B {}\n'), null);
});

Deno.test("placesOf() counts lines that follow one another as one place", () => {
  const gapOn = (line: number) => ({ line, kind: "line" as const });
  const places = placesOf([3, 4, 5, 9, 11, 12].map(gapOn));
  assertEquals(places.map((gaps) => gaps.map(({ line }) => line)), [[3, 4, 5], [9], [11, 12]]);
  assertEquals(placesOf([]), []);
});

Deno.test("exclusionsWithoutReason() finds exclusions that do not say why", () => {
  const text = [
    "// deno-coverage-ignore",
    "// deno-coverage-ignore -- the compiler asks for it",
    "// deno-coverage-ignore-start",
    "// deno-coverage-ignore-stop",
    "// deno-coverage-ignore-file -- runs in a worker",
  ].join("\n");
  assertEquals(exclusionsWithoutReason(text), [1, 3]);
});

Deno.test("removeTorn() removes what is not whole, also when it was cut behind a brace", async () => {
  const folder = await Deno.makeTempDir({ prefix: "torn-" });
  try {
    await Deno.writeTextFile(`${folder}/whole.json`, '{"result":[{"count":1}]}\n');
    await Deno.writeTextFile(`${folder}/cut.json`, '{"result":[{"count":1}');
    await Deno.writeTextFile(`${folder}/empty.json`, "");
    await removeTorn(folder);
    assertEquals((await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name), ["whole.json"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
