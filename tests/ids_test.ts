/** Ids: safe in a URL, never the same twice, and sorted by time where they name messages. @module */

import { assert, assertEquals } from "@std/assert";
import { messageId, randomId } from "../src/ids.ts";

Deno.test("randomId() gives 22 characters that need no escaping", () => {
  for (let times = 0; times < 1000; times++) assert(/^[A-Za-z0-9_-]{22}$/.test(randomId()));
});

Deno.test("randomId() gives no id twice, over many fillings of its pool", () => {
  const count = 100_000;
  const ids = new Set<string>();
  for (let times = 0; times < count; times++) ids.add(randomId());
  assertEquals(ids.size, count);
});

Deno.test("randomId() uses every character in every place about as often", () => {
  const count = 64 * 200;
  const places = Array.from({ length: 22 }, () => new Map<string, number>());
  for (let times = 0; times < count; times++) {
    [...randomId()].forEach((character, place) => {
      const counts = places[place];
      counts?.set(character, (counts.get(character) ?? 0) + 1);
    });
  }
  for (const counts of places) {
    assertEquals(counts.size, 64);
    // 200 each on average; eight standard deviations away is one failure in 10^12 runs.
    for (const times of counts.values()) assert(times > 85 && times < 320, `${times}`);
  }
});

Deno.test("messageId() gives 22 safe characters that sort by their time, and no id twice", () => {
  const times = [0, 1, 63, 64, 4095, 4096, 1_795_000_000_000, 1_795_000_000_001, 2 ** 47];
  const ids = times.map((time) => messageId(time));
  assertEquals(ids.toSorted(), ids);
  for (const id of ids) assert(/^[A-Za-z0-9_-]{22}$/.test(id));
  const same = new Set(Array.from({ length: 10_000 }, () => messageId(1_795_000_000_000.7)));
  assertEquals(same.size, 10_000);
});
