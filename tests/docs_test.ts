/** The documents name nothing that is not there: their links lead to files, and the tasks they tell of exist. @module */

import { assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url);

for (const path of documents()) {
  const text = Deno.readTextFileSync(new URL(path, ROOT));

  Deno.test(`${path} links to files that exist`, () => {
    const links = [...text.matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)/g)].map(([, link = ""]) => link);
    assertEquals(links.filter((link) => !exists(new URL(link, new URL(path, ROOT)))), []);
  });

  Deno.test(`${path} names tasks that exist`, () => {
    const tasks = [...text.matchAll(/(?:deno|deno@[\d.]+) task ([a-z:]+)/g)].map(([, task = ""]) => task);
    assertEquals(tasks.filter((task) => !Object.hasOwn(config.tasks, task)), []);
  });
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
