/** The workflows run what is there, and nothing that somebody else can change. @module */

import { assert, assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };

const FOLDER = new URL("../.github/workflows/", import.meta.url);

for (const { name } of Deno.readDirSync(FOLDER)) {
  const text = Deno.readTextFileSync(new URL(name, FOLDER));

  Deno.test(`${name} pins every action by the hash of a commit, and says of which version`, () => {
    const used = [...text.matchAll(/\buses: (.+)$/gm)].map(([, action = ""]) => action);
    const foreign = used.filter((action) => !action.startsWith("./"));
    assert(foreign.length > 0, "there are actions");
    assertEquals(foreign.filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action)), []);
  });

  Deno.test(`${name} runs tasks that exist, and may write only where it says why`, () => {
    const tasks = [...text.matchAll(/deno task ([\w:]+)/g)].map(([, task = ""]) => task);
    assertEquals(tasks.filter((task) => !Object.hasOwn(config.tasks, task)), []);
    assertEquals([...text.matchAll(/^.*: write(?! # \S).*$/gm)].map(([line]) => line), []);
  });
}
