/** The heap, against a sorted list. @module */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Heap } from "../../src/storage/heap.ts";

Deno.test("Heap gives its items in their order, whatever was added and removed", () => {
  const step = fc.record({ value: fc.nat(20), removes: fc.boolean() });
  fc.assert(fc.property(fc.array(step), (steps) => {
    const heap = new Heap<{ heapIndex: number; value: number }>((a, b) => a.value < b.value);
    const items: { heapIndex: number; value: number }[] = [];
    for (const { value, removes } of steps) {
      const item = { heapIndex: 0, value };
      const last = removes ? items.splice(value % Math.max(1, items.length), 1)[0] : undefined;
      if (last) heap.delete(last);
      else {
        heap.push(item);
        items.push(item);
      }
      const values = items.map((each) => each.value).toSorted((a, b) => a - b);
      assertEquals([...heap.sorted()].map((each) => each.value), values);
      assertEquals([heap.size, heap.peek()?.value], [values.length, values[0]]);
    }
  }));
});
