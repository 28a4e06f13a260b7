/** How a memory follows its backend. @module */

import { assert, assertEquals } from "@std/assert";
import { MemoryPrimitive } from "../../presets/memory_primitive.ts";

Deno.test("Replica.follow() lets timers run while it reads a large memory", async () => {
  await using memory = new MemoryPrimitive();
  await memory.addMany(Array.from({ length: 2500 }, (_, index) => ({ key: `k${index}`, value: `word${index}` })));
  let ticks = 0;
  const timer = setInterval(() => ticks++, 0);
  try {
    const hits = await memory.search("2400");
    assertEquals(hits.map(({ key }) => key), ["k2400"]);
    assert(ticks > 0, "nothing else ran before the first search had read everything");
  } finally {
    clearInterval(timer);
  }
});
