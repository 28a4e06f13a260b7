/** Fields of messages that have parts: lists, dates, what an object inherits. @module */

import { assertEquals, assertThrows } from "@std/assert";
import { checkMessage } from "../../src/messages/model.ts";

Deno.test("checkMessage() names the place in a list that breaks the rule", () => {
  for (
    const [tags, path] of [["urgent", "message.routing.tags"], [["urgent", 7], "message.routing.tags.1"]] as const
  ) {
    assertThrows(() => checkMessage({ routing: { tags } } as never), TypeError, `Cannot use ${path}: `);
  }
});

Deno.test("checkMessage() takes days that there are, of leap years too, and refuses the others", () => {
  const check = (day: string) => () => checkMessage({ timestamp: `${day}T00:00:00Z` });
  for (const day of ["2024-02-29", "2000-02-29", "2023-02-28", "2026-12-31", "2026-04-30"]) check(day)();
  for (
    const day of ["2023-02-29", "1900-02-29", "2024-02-30", "2026-04-31", "2026-13-01", "2026-00-01", "2026-01-00"]
  ) {
    assertThrows(check(day), TypeError, "message.timestamp");
  }
});

Deno.test("checkMessage() minds the fields that a message has, not those that it inherits", () => {
  const message = Object.assign(Object.create({ inherited: true }), { priority: 5 });
  assertEquals(checkMessage(message).priority, 5);
});
