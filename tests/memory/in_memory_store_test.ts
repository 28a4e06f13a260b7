import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ValueTooLargeError } from "../../src/errors.ts";
import { InMemoryStore } from "../../src/memory/in_memory_store.ts";
import type { JsonValue } from "../../src/storage/json.ts";

Deno.test("InMemoryStore gives back what was added, and undefined for what was not", () => {
  const store = new InMemoryStore();
  store.add("a", { text: "hello" });
  assertEquals(store.get("a"), { text: "hello" });
  assertEquals(store.get("b"), undefined);
  store.add("a", null);
  assertEquals(store.get("a"), null);
  assertEquals([store.size(), store.delete("a"), store.delete("a"), store.size()], [1, true, false, 0]);
});

Deno.test("InMemoryStore evicts the least recently used entry when it is full", () => {
  const store = new InMemoryStore({ maxSize: 3 });
  for (const key of ["a", "b", "c"]) store.add(key, key);
  store.get("a");
  store.add("b", "again");
  store.add("d", "d");
  assertEquals(store.keys(), ["a", "b", "d"]);
  assertEquals(store.get("c"), undefined);
});

Deno.test("InMemoryStore holds 1,000 entries by default, and tells how many it may", () => {
  const store = new InMemoryStore();
  assertEquals([store.maxSize, new InMemoryStore({ maxSize: 7 }).maxSize], [1000, 7]);
  for (let index = 0; index < 1500; index++) store.add(`k${index}`, index);
  assertEquals(store.size(), 1000);
  assertEquals(store.keys()[0], "k500");
});

Deno.test("InMemoryStore stays below its bound in bytes", () => {
  const store = new InMemoryStore({ maxBytes: 20 });
  store.add("a", "12345"); // 1 + 7
  store.add("b", "12345");
  store.add("c", "1"); // 1 + 3
  assertEquals(store.keys(), ["a", "b", "c"]);
  store.add("c", "12"); // one byte too many now
  assertEquals(store.keys(), ["b", "c"]);
  assertThrows(() => store.add("b", "ü".repeat(10)), ValueTooLargeError);
  assertEquals(store.get("b"), "12345");
  store.delete("b");
  store.add("d", "123456789"); // 1 + 11, beside 1 + 4
  assertEquals(store.keys(), ["c", "d"]);
});

Deno.test("InMemoryStore is safe from later changes of what went in and what came out", () => {
  const store = new InMemoryStore();
  // deno-lint-ignore no-explicit-any -- values are read-only for those who use types
  const flat: any = { text: "flat" };
  // deno-lint-ignore no-explicit-any -- as above
  const deep: any = { list: [{ text: "deep" }] };
  store.add("flat", flat);
  store.add("deep", deep);
  flat.text = "changed";
  deep.list[0].text = "changed";
  // deno-lint-ignore no-explicit-any -- as above
  const [flatOut, deepOut]: any[] = [store.get("flat"), store.get("deep")];
  flatOut.text = "changed";
  deepOut.list[0].text = "changed";
  deepOut.list.push("more");
  assertEquals(store.get("flat"), { text: "flat" });
  assertEquals(store.get("deep"), { list: [{ text: "deep" }] });
  // deno-lint-ignore no-explicit-any -- as above
  const [hit]: any[] = store.search("flat");
  hit.value.text = "changed";
  assertEquals(store.get("flat"), { text: "flat" });
});

Deno.test("InMemoryStore.search() finds text without its case, the most recently used first", () => {
  const store = new InMemoryStore();
  store.add("a", { text: "asked about the weather" });
  store.add("b", { text: "asked about trains" });
  store.add("c", { note: { deep: ["WEATHER in Oslo"] } });
  assertEquals(store.search("Weather").map(({ key }) => key), ["c", "a"]);
  store.get("a");
  assertEquals(store.search("Weather"), [
    { key: "a", value: { text: "asked about the weather" }, score: 1, matched: ["Weather"] },
    { key: "c", value: { note: { deep: ["WEATHER in Oslo"] } }, score: 1, matched: ["Weather"] },
  ]);
});

Deno.test("InMemoryStore.search() gives five by default, and as many as asked for", () => {
  const store = new InMemoryStore();
  for (let index = 0; index < 9; index++) store.add(`k${index}`, "same");
  assertEquals(store.search("same").length, 5);
  assertEquals(store.search("same", { limit: 7 }).length, 7);
  assertEquals(store.search("same", { limit: 0 }), []);
  assertEquals(store.search(""), []);
});

Deno.test("InMemoryStore.search() looks into strings, numbers, booleans and names of fields", () => {
  const store = new InMemoryStore();
  store.add("a", { text: "x", port: 8080, open: true, none: null });
  assertEquals(store.search("8080").length, 1);
  assertEquals(store.search("true").length, 1);
  assertEquals(store.search("TEX").length, 1);
  store.add("b", [{ inner: [null] }]);
  assertEquals(store.search("inner").map(({ key }) => key), ["b"]);
  assertEquals(store.search("null").length, 0);
});

Deno.test("InMemoryStore.search() takes no quadratic time when the query is hostile", () => {
  const store = new InMemoryStore();
  store.add("a", "a".repeat(1_000_000));
  const startedAt = performance.now();
  assertEquals(store.search(`b${"a".repeat(100_000)}`), []);
  assertEquals(store.search(`${"a".repeat(100_000)}b`), []);
  assertEquals(store.search("a".repeat(100_000)).length, 1);
  assert(performance.now() - startedAt < 5000);
});

Deno.test("InMemoryStore.clear() deletes everything, and what comes after is as new", () => {
  const store = new InMemoryStore({ maxSize: 2, maxBytes: 100 });
  for (const key of ["a", "b", "c"]) store.add(key, "x");
  store.clear();
  assertEquals([store.size(), store.keys(), store.get("c")], [0, [], undefined]);
  for (const key of ["d", "e", "f"]) store.add(key, "x");
  assertEquals(store.keys(), ["e", "f"]);
});

Deno.test("InMemoryStore refuses what is no JSON, no key and no bound", () => {
  const store = new InMemoryStore();
  // deno-lint-ignore no-explicit-any -- what a caller without types may pass
  const any = (value: any) => value;
  assertThrows(() => store.add("a", any({ when: new Date() })), TypeError, "value.when");
  assertThrows(() => store.add("a", any(undefined)), TypeError, "undefined");
  assertThrows(() => store.add("a", { n: NaN }), TypeError, "value.n");
  assertThrows(() => store.add(any(5), "x"), TypeError, "key");
  assertThrows(() => store.search(any(5)), TypeError, "query");
  assertThrows(() => store.search("x", { limit: -1 }), RangeError, "limit");
  assertEquals(store.size(), 0);
  for (const maxSize of [0, -1, 1.5, NaN, Infinity]) assertThrows(() => new InMemoryStore({ maxSize }), RangeError);
  assertThrows(() => new InMemoryStore({ maxBytes: 0 }), RangeError);
});

Deno.test("InMemoryStore counts the bytes of what was evicted no longer, whichever bound it was evicted for", () => {
  const store = new InMemoryStore({ maxSize: 2, maxBytes: 24 });
  for (let index = 0; index < 9; index++) store.add(`${index}`, "123456789"); // 1 + 11 each
  assertEquals(store.keys(), ["7", "8"]);
});

Deno.test("InMemoryStore keeps a field called __proto__", () => {
  const store = new InMemoryStore();
  const value: JsonValue = JSON.parse('{"__proto__": "own", "deep": {"__proto__": {"x": 1}}}');
  store.add("a", value);
  assertEquals(JSON.stringify(store.get("a")), JSON.stringify(value));
  store.add("b", JSON.parse('{"__proto__": "flat"}'));
  assertEquals(JSON.stringify(store.get("b")), '{"__proto__":"flat"}');
});

Deno.test("InMemoryStore makes zero of negative zero, at any depth", () => {
  const store = new InMemoryStore();
  for (const [key, value] of Object.entries({ plain: -0, flat: { x: -0 }, deep: { list: [-0] } })) {
    store.add(key, value);
  }
  assertEquals([store.get("plain"), store.get("flat"), store.get("deep")], [0, { x: 0 }, { list: [0] }]);
});

Deno.test("InMemoryStore does what a map in the order of use does when given any calls", () => {
  const call = fc.tuple(fc.constantFrom("add", "get", "delete"), fc.integer({ min: 0, max: 9 }));
  fc.assert(fc.property(fc.integer({ min: 1, max: 6 }), fc.array(call, { maxLength: 200 }), (maxSize, calls) => {
    const store = new InMemoryStore({ maxSize });
    const model = new Map<string, number>();
    for (const [step, [name, number]] of calls.entries()) {
      const key = `k${number}`;
      const known = model.get(key);
      if (name === "get") assertEquals(store.get(key), known);
      else if (name === "delete") assertEquals(store.delete(key), known !== undefined);
      else store.add(key, step);
      if (name !== "get" || known !== undefined) model.delete(key);
      if (name === "add") model.set(key, step);
      else if (name === "get" && known !== undefined) model.set(key, known);
      for (const oldest of [...model.keys()].slice(0, Math.max(0, model.size - maxSize))) model.delete(oldest);
      assertEquals(store.keys(), [...model.keys()]);
      assertEquals(store.size(), model.size);
    }
  }));
});
