import { assert, assertEquals } from "@std/assert";
import { measureHealth } from "../../src/storage/health.ts";

Deno.test("measureHealth() tells of an answer, and of a failure by its words, also of one that is thrown at once", async () => {
  const answered = await measureHealth(() => Promise.resolve());
  assert(answered.latencyMs >= 0);
  assertEquals(answered, { healthy: true, latencyMs: answered.latencyMs });
  const fails = [() => Promise.reject(new Error("away")), (): never => {
    throw new Error("away");
  }];
  for (const fail of fails) {
    const { healthy, error } = await measureHealth(fail);
    assertEquals([healthy, error], [false, "away"]);
  }
});
