import { assertEquals } from "@std/assert";
import { Bag } from "../../src/storage/bag.ts";

const item = (name: string) => ({ name, bagIndex: 0 });

Deno.test("Bag keeps what was added until it is taken out, each by itself", () => {
  const [a, b, c] = [item("a"), item("b"), item("c")];
  const bag = new Bag<typeof a>();
  for (const each of [a, b, c]) bag.add(each);
  assertEquals(bag.size, 3);
  assertEquals(bag.delete(b), true);
  assertEquals(bag.delete(b), false);
  assertEquals([...bag].map(({ name }) => name).sort(), ["a", "c"]);
  assertEquals(bag.delete(c), true);
  assertEquals(bag.delete(a), true);
  assertEquals([...bag], []);
});

Deno.test("Bag can be emptied while it is looked at, and each item is seen once", () => {
  const bag = new Bag<ReturnType<typeof item>>();
  for (let index = 0; index < 10; index++) bag.add(item(String(index)));
  const seen: string[] = [];
  for (const each of bag) {
    seen.push(each.name);
    bag.delete(each);
  }
  assertEquals(seen.length, 10);
  assertEquals(new Set(seen).size, 10);
});

Deno.test("Bag gives nothing that was taken out while it was looked at", () => {
  const bag = new Bag<ReturnType<typeof item>>();
  for (const name of ["a", "b", "c"]) bag.add(item(name));
  const seen: unknown[] = [];
  for (const each of bag) {
    seen.push(each.name);
    for (const other of [...bag]) bag.delete(other);
  }
  assertEquals(seen, ["c"]);
});

Deno.test("Bag.clear() takes all out, and what was in it is not in it any more", () => {
  const bag = new Bag<ReturnType<typeof item>>();
  const one = item("one");
  bag.add(one);
  bag.clear();
  assertEquals(bag.size, 0);
  assertEquals(bag.delete(one), false);
});
