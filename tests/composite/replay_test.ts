/** What is brought to the primary by a process that is not alone. @module */

import { assert, assertEquals, fail } from "@std/assert";
import { type MarkKind, newMark, toOperation } from "../../backends/composite/journal_marks.ts";
import { MarkBook } from "../../backends/composite/mark_book.ts";
import { clean, replay } from "../../backends/composite/replay.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import type { SetOperation, StorageBackend } from "../../src/storage/backend.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";
import { standIn } from "../storage/stand_in.ts";

const put = (value: string): SetOperation => ({ type: "set", key: ["k"], value });

/** A primary without, and a fallback with a record that is marked so, and a book that has read the mark. */
async function open(kind: MarkKind) {
  const clock = new ManualClock();
  const [primary, fallback] = [new MemoryBackend({ clock }), new MemoryBackend({ clock })];
  const mark = newMark(kind, ["k"], 1);
  await fallback.commit({ operations: [put("ours"), toOperation(mark)] });
  const book = new MarkBook(fallback);
  await book.load();
  return { mark, parts: { primary, fallback, book, clock, onDoubt: () => {}, onLoss: () => fail() } };
}

Deno.test("replay() brings no record that another process has brought since this one read its mark", async () => {
  const { mark, parts } = await open("record");
  const { primary, fallback } = parts;
  await fallback.commit({ operations: [toOperation({ ...mark, kind: "brought" })] });
  await primary.commit({ operations: [put("later, by whoever is back at the primary")] });
  await replay(parts, true, new AbortController().signal);
  assertEquals((await primary.get([["k"]]))[0]?.value, "later, by whoever is back at the primary");
});

Deno.test("clean() takes nothing away that was written since another one took away what it was to", async () => {
  const { mark: brought, parts } = await open("brought");
  const { fallback, book } = parts;
  const get: StorageBackend["get"] = async (keys) => {
    // What another one has cleaned, and a write, come before this one has read what is there.
    await book.remove([brought], [], [{ type: "delete", key: ["k"] }]);
    const written = book.missing("record", ["k"]);
    assert(written);
    await book.commit({ operations: [put("new"), toOperation(written)] }, [written]);
    return await fallback.get(keys);
  };
  await clean({ ...parts, fallback: standIn(fallback, { get }) });
  assertEquals((await fallback.get([["k"]]))[0]?.value, "new");
  assertEquals(book.size, 1);
});
