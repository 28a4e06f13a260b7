/** Long lists in parts. @module */

import { assertEquals } from "@std/assert";
import { partsOf } from "../../src/storage/parts.ts";

Deno.test("partsOf() gives all items in their order, no more than so many at a time", () => {
  assertEquals([...partsOf([1, 2, 3, 4, 5], 2)], [[1, 2], [3, 4], [5]]);
  assertEquals([...partsOf([1, 2], 2)], [[1, 2]]);
  assertEquals([...partsOf([], 2)], []);
});
