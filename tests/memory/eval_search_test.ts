/** The evaluation of searches: its figures, and what it reads and prints. @module */

import { assertAlmostEquals, assertEquals, assertStringIncludes } from "@std/assert";
import { ndcg, recall } from "../../scripts/eval_search.ts";

const SCRIPT = new URL("../../scripts/eval_search.ts", import.meta.url);

/** Runs the script on a collection, given as lines by file. */
async function evaluate(files: Readonly<Record<string, readonly string[]>>, ...args: string[]) {
  const directory = await Deno.makeTempDir();
  try {
    for (const [name, lines] of Object.entries(files)) {
      await Deno.writeTextFile(`${directory}/${name}`, lines.join("\n"));
    }
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--allow-read", SCRIPT.href, directory, ...args],
    }).output();
    return { code, output: new TextDecoder().decode(stdout), errors: new TextDecoder().decode(stderr) };
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

function corpusLine(id: string | number, text: string, rest: object = {}): string {
  return JSON.stringify({ id, text, ...rest });
}

Deno.test("recall() and ndcg() are those of binary relevance", () => {
  const wanted = new Set(["a", "b", "c"]);
  assertEquals(recall(["a", "x", "b"], wanted, 2), 1 / 3);
  assertEquals(recall([], wanted, 10), 0);
  const best = 1 + 1 / Math.log2(3) + 1 / 2;
  assertAlmostEquals(ndcg(["x", "a", "b"], wanted, 10), (1 / Math.log2(3) + 1 / 2) / best, 1e-12);
  assertEquals(ndcg(["a", "b"], wanted, 2), 1);
  assertEquals(ndcg(["x"], wanted, 10), 0);
});

Deno.test("eval_search prints a line of JSON for each mode, by entry and by session, over the queries that can be judged", async () => {
  const { code, output, errors } = await evaluate({
    "corpus.jsonl": [
      corpusLine(1, "a heron in the reeds", { session: "walk", order: "2026-05-01T10:00:00Z" }),
      corpusLine(2, "where was that", { session: "walk", order: "2026-05-01T10:01:00Z" }),
      corpusLine("3", "an otter", { session: "river", order: 2 }),
      corpusLine("4:b", "rain", {}),
      "",
    ],
    "queries.jsonl": [corpusLine("q1", "herons"), corpusLine(2, "otters?"), corpusLine("none", "rain")],
    "qrels.tsv": ["query\tdocument\tgrade", "q1\t1\t2", "q1\t3\t0", "2\t3\t1", "none\t1\t-1"],
  }, "--json");
  assertEquals(code, 0, errors);
  const lines = output.trim().split("\n").map((line) => JSON.parse(line));
  const keyword = lines.find(({ mode }) => mode === "keyword");
  assertEquals([keyword.queries, keyword.hit1, keyword.recall5, keyword.recall10, keyword.ndcg10], [2, 1, 1, 1, 1]);
  assertEquals([keyword.sessionHit1, keyword.sessionNdcg5], [1, 1]);
  assertEquals(lines.find(({ mode }) => mode === "substring").hit1, 0);
});

Deno.test("eval_search says what it needs when it is told no collection, or none that is there", async () => {
  for (const args of [[], ["no-such-folder"]]) {
    const command = ["run", "--no-check", "--allow-read", SCRIPT.href, ...args];
    const { code, stderr } = await new Deno.Command(Deno.execPath(), { args: command }).output();
    assertEquals(code, 2);
    assertStringIncludes(new TextDecoder().decode(stderr), "DIR has corpus.jsonl");
  }
});
