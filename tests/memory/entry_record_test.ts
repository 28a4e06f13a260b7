/** Records of entries that are not what they should be. @module */

import { assertEquals, assertThrows } from "@std/assert";
import { BackendCorruptError } from "../../src/errors.ts";
import { nullIfCorrupt } from "../../src/memory/entry_record.ts";

Deno.test("nullIfCorrupt() passes over a damaged record, and over no other fault", () => {
  assertEquals(nullIfCorrupt(new BackendCorruptError("damaged")), null);
  assertThrows(() => nullIfCorrupt(new TypeError("a fault of ours")), TypeError, "a fault of ours");
});
