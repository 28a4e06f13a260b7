/** What is brought to the primary by a process that is not alone. @module */

import { assertEquals } from "@std/assert";
import { newMark, toOperation } from "../../backends/composite/journal_marks.ts";
import { MarkBook } from "../../backends/composite/mark_book.ts";
import { replay } from "../../backends/composite/replay.ts";
import { MemoryBackend } from "../../backends/memory.ts";
import type { SetOperation } from "../../src/storage/backend.ts";
import { ManualClock } from "../../src/testing/manual_clock.ts";

const put = (value: string): SetOperation => ({ type: "set", key: ["k"], value });

Deno.test("replay() brings no record that another process has brought since this one read its mark", async () => {
  const clock = new ManualClock();
  const [primary, fallback] = [new MemoryBackend({ clock }), new MemoryBackend({ clock })];
  const mark = newMark("record", ["k"], 1);
  await fallback.commit({ operations: [put("ours"), toOperation(mark)] });
  const book = new MarkBook(fallback);
  await book.load();
  await fallback.commit({ operations: [toOperation({ ...mark, kind: "brought" })] });
  await primary.commit({ operations: [put("later, by whoever is back at the primary")] });
  await replay({ primary, fallback, book, clock }, true, new AbortController().signal);
  assertEquals((await primary.get([["k"]]))[0]?.value, "later, by whoever is back at the primary");
});
