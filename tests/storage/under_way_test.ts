/** Calls that are waited for before something ends. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { deferred } from "../../src/storage/es2024.ts";
import { UnderWay } from "../../src/storage/under_way.ts";
import { turn } from "./stand_in.ts";

Deno.test("UnderWay.drain() resolves once no call is left, and at once when there is none", async () => {
  const underWay = new UnderWay();
  await underWay.drain();
  const [first, second] = [deferred<number>(), deferred<number>()];
  const results = [underWay.run(() => first.promise), underWay.run(() => second.promise)];
  const drained: string[] = [];
  const drains = ["a", "b"].map((name) => underWay.drain().then(() => drained.push(name)));
  first.resolve(1);
  await turn();
  assertEquals(drained, []);
  second.resolve(2);
  assertEquals(await Promise.all(results), [1, 2]);
  await Promise.all(drains);
  assertEquals(drained, ["a", "b"]);
  await underWay.drain();
});

Deno.test("UnderWay.run() hands on why a call failed, and drain() does not fail with it", async () => {
  const underWay = new UnderWay();
  const late = deferred<void>();
  const failing = [
    assertRejects(() => underWay.run(() => late.promise), Error, "late"),
    assertRejects(
      () =>
        underWay.run(() => {
          throw new Error("at once");
        }),
      Error,
      "at once",
    ),
  ];
  const drained = underWay.drain();
  late.reject(new Error("late"));
  await drained;
  await Promise.all(failing);
});
