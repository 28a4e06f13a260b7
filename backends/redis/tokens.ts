/** The tokens of leased messages that are purged by id: looked for in pages, as there is no index of them. @module */

import type { Reply } from "./engine.ts";
import { LEASED } from "./scripts/leased.ts";
import { STRAY } from "./scripts/purge.ts";
import type { Script } from "./scripts/script.ts";
import { tokenLength } from "./stored.ts";
import type { Tokens, UnknownLeases } from "./units/unit.ts";

/** The tokens that were known, and those that were not, as far as the messages are still leased. */
export async function findTokens(
  read: (script: Script, args: readonly string[]) => Promise<Reply>,
  { batch, tokens, unknown }: UnknownLeases,
): Promise<Tokens> {
  const found = new Map(tokens);
  const wanted = new Map<string, Map<string, number>>();
  for (const index of unknown) {
    const operation = batch.operations[index];
    // deno-coverage-ignore -- the compiler asks for it: the script names none but those
    if (operation?.type !== "purge") continue;
    const ids = wanted.get(operation.queue) ?? new Map<string, number>();
    wanted.set(operation.queue, ids.set(operation.id, index));
  }
  for (const [queue, ids] of wanted) {
    for (let from = ""; ids.size > 0;) {
      const [next = "", ...names] = (await read(LEASED, [queue, from, ...ids.keys()])).map(String);
      for (const name of names) {
        const end = tokenLength(name);
        const index = ids.get(name.slice(end));
        if (index !== undefined) found.set(index, name.slice(0, end));
        ids.delete(name.slice(end));
      }
      if (next === "") break;
      from = next;
    }
    // It has changed places meanwhile; or, when that goes on, the server has lost where it stood.
    for (const index of ids.values()) found.set(index, `-${tokens?.get(index) ?? ""}`.slice(0, STRAY.length));
  }
  return found;
}
