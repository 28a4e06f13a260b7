/** The stand-ins for ECMAScript 2024 do what the originals do, and published code uses no original. @module */

import { assertEquals, assertRejects } from "@std/assert";
import { readPublished } from "../architecture/source.ts";
import { collect, deferred, groupBy } from "../../src/storage/es2024.ts";

Deno.test("deferred() gives a promise that is settled from outside, once", async () => {
  const good = deferred<number>();
  good.resolve(1);
  good.reject(new Error("too late"));
  assertEquals(await good.promise, 1);
  const bad = deferred<number>();
  bad.reject(new Error("it failed"));
  await assertRejects(() => bad.promise, Error, "it failed");
});

Deno.test("collect() gives what an iteration gives, in its order", async () => {
  const numbers = async function* () {
    yield 1;
    yield await Promise.resolve(2);
  };
  assertEquals(await collect(numbers()), [1, 2]);
});

Deno.test("groupBy() groups in the order in which groups and members come", () => {
  assertEquals([...groupBy([3, 1, 4, 2], (each) => each % 2)], [[1, [3, 1]], [0, [4, 2]]]);
});

Deno.test("published modules use nothing that Node 20 or 22 lacks", () => {
  const young =
    /\bPromise\.(?:withResolvers|try)\b|\bArray\.fromAsync\b|\b(?:Map|Object)\.groupBy\b|^\s*(?:await )?using \w+ =/m;
  const wrong = readPublished().filter(({ text }) => young.test(text.replaceAll(/\/\*.*?\*\//gs, "")));
  assertEquals(wrong.map(({ path }) => path), []);
});
