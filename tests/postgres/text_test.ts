/** Text comes back from the server as it was sent. @module */

import { assertEquals, assertNotEquals } from "@std/assert";
import { arrayLiteral, escapeText, unescapeText } from "../../backends/postgres/text.ts";

Deno.test("escapeText() leaves no NUL, and no byte order mark, and unescapeText() gives both back", () => {
  for (const text of ["", "plain", "\0", "\x01", "\x010", "\0\x01\ufeff", "\ufeffbegins with a mark", "é😀"]) {
    const escaped = escapeText(text);
    assertEquals(/[\0\ufeff]/.test(escaped), false);
    assertEquals(unescapeText(escaped), text);
  }
});

Deno.test("escapeText() gives different text for different text", () => {
  assertNotEquals(escapeText("\0"), escapeText("\x010"));
});

Deno.test("arrayLiteral() quotes text and leaves numbers and nulls as they are", () => {
  assertEquals(arrayLiteral(['a"b', "c\\d", "", "NULL", 1.5, null]), String.raw`{"a\"b","c\\d","","NULL",1.5,NULL}`);
});
