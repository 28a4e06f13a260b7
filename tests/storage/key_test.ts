/** Keys: the encoding is injective, keeps the order, and can be read back. @module */

import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  compareEncoded,
  decodeKey,
  encodedParent,
  encodeKey,
  isBelow,
  type Key,
  MAX_KEY_BYTES,
  prefixRange,
  toNamespace,
  utf8Length,
} from "../../src/storage/key.ts";
import { compareKeys } from "../property/keys.ts";

// Strings that encodings trip over: control characters, separators, halves of pairs, neighbours in UTF-8 and UTF-16.
const part = fc.oneof(
  fc.string({ unit: "binary", maxLength: 6 }),
  fc.array(fc.constantFrom("", "\0", "\x01", "\x02", "\x03", "\x04", "\x05", "d800", "a", "b", "\ud800", "\udc00"), {
    maxLength: 5,
  }).map((pieces) => pieces.join("")),
  fc.constantFrom("\ud7ff", "\ue000", "\uffff", "\u{10000}", "\u{10ffff}", "__proto__", ":", "*"),
);
const key: fc.Arbitrary<Key> = fc.array(part, { maxLength: 4 });

Deno.test("encodeKey() gives different strings to different keys", () => {
  fc.assert(fc.property(key, key, (a, b) => {
    const isSame = JSON.stringify(a) === JSON.stringify(b);
    assertEquals(encodeKey(a) === encodeKey(b), isSame);
  }));
  const alike: Key[] = [[], [""], ["", ""], ["a", "b"], ["ab"], ["a\x01b"], ["a", "b", ""], ["a", "", "b"]];
  assertEquals(new Set(alike.map(encodeKey)).size, alike.length);
});

Deno.test("decodeKey() gives back what encodeKey() was given", () => {
  fc.assert(fc.property(key, (given) => assertEquals(decodeKey(encodeKey(given)), given)));
});

Deno.test("encodeKey() gives well-formed text without NUL, which every engine can carry", () => {
  fc.assert(fc.property(key, (given) => {
    const encoded = encodeKey(given);
    assert(encoded.isWellFormed());
    assert(!encoded.includes("\0"));
    assertEquals(new TextDecoder().decode(new TextEncoder().encode(encoded)), encoded);
  }));
});

Deno.test("compareEncoded() orders encoded keys as their UTF-8 bytes", () => {
  fc.assert(fc.property(key, key, (a, b) => {
    const [first, second] = [encodeKey(a), encodeKey(b)];
    assertEquals(Math.sign(compareEncoded(first, second)), compareBytes(first, second));
    assertEquals(Math.sign(compareEncoded(second, first)), -compareBytes(first, second) + 0);
  }));
});

Deno.test("encodeKey() keeps the order of keys: part by part by UTF-8 bytes, a key before what it begins", () => {
  const wellFormed = key.filter((parts) => parts.every((each) => each.isWellFormed()));
  fc.assert(fc.property(wellFormed, wellFormed, (a, b) => {
    assertEquals(Math.sign(compareEncoded(encodeKey(a), encodeKey(b))), Math.sign(compareKeys(a, b)));
  }));
  assert(compareEncoded(encodeKey(["\uffff"]), encodeKey(["\u{10000}"])) < 0, "UTF-16 has it the other way round");
});

Deno.test("prefixRange() holds the keys below the prefix and no others", () => {
  fc.assert(fc.property(key, key, (prefix, other) => {
    const { from, to } = prefixRange(prefix);
    const isWithin = (candidate: Key) =>
      compareEncoded(from, encodeKey(candidate)) < 0 && compareEncoded(encodeKey(candidate), to) < 0;
    assertEquals(isWithin(other), isBelow(other, prefix));
    assert(!isWithin(prefix), "the prefix itself is not below it");
    assert(other.length === 0 || isWithin([...prefix, ...other]));
  }));
});

Deno.test("prefixRange() of the empty prefix holds every key that has a part", () => {
  const { from, to } = prefixRange([]);
  const last = "\u{10ffff}".repeat(MAX_KEY_BYTES / 4 - 1);
  for (const only of ["", "\0", "\u{10ffff}", last, "\u{10ffff}\u{10ffff}\u{10ffff}", "\ud800"]) {
    assert(
      compareEncoded(from, encodeKey([only])) < 0 && compareEncoded(encodeKey([only]), to) < 0,
      JSON.stringify(only),
    );
  }
});

Deno.test("isBelow() compares whole parts", () => {
  assert(isBelow(["tenant", "acme", "ann"], ["tenant", "acme"]));
  assert(!isBelow(["tenant", "acme-corp", "ann"], ["tenant", "acme"]));
  assert(!isBelow(["tenant", "acme"], ["tenant", "acme"]));
  assert(!isBelow(["tenant"], ["tenant", "acme"]));
});

Deno.test("encodeKey() takes keys of MAX_KEY_BYTES, counted in UTF-8, and refuses longer ones", () => {
  for (const character of ["x", "\xe9", "\uffff", "\u{1f600}"]) {
    const bytes = utf8Length(character);
    const most = Math.floor((MAX_KEY_BYTES - 1) / bytes);
    assertEquals(utf8Length(encodeKey([character.repeat(most)])), most * bytes + 1);
    assertThrows(() => encodeKey([character.repeat(most + 1)]), RangeError, "at most 1024 are allowed");
  }
  // Escapes count, as they take room in the engine.
  assertThrows(() => encodeKey(["\0".repeat(MAX_KEY_BYTES / 2)]), RangeError, "1025 bytes");
});

Deno.test("toNamespace() makes one part of a string", () => {
  assertEquals([toNamespace("a:b"), toNamespace(["a", "b"]), toNamespace("")], [["a:b"], ["a", "b"], [""]]);
});

Deno.test("encodeKey() refuses what is no key, naming the part", () => {
  const wrong = (value: unknown) => value as Key;
  for (const value of ["key", undefined, null, 5, { 0: "a", length: 1 }]) {
    assertThrows(() => encodeKey(wrong(value)), TypeError, "it must be an array of strings");
  }
  assertThrows(() => encodeKey(wrong(["a", 1])), TypeError, "part 1 must be a string, got number");
  assertThrows(() => encodeKey(wrong([null])), TypeError, "part 0 must be a string, got null");
  assertThrows(() => encodeKey(wrong(new Array(1))), TypeError, "part 0 must be a string, got undefined");
});

Deno.test("encodeKey() does not mistake a key for one that was encoded before, nor for one that changed since", () => {
  const changing = ["a", "x"];
  const before = encodeKey(changing);
  changing[0] = "b";
  assertNotEquals(encodeKey(changing), before);
  assertEquals(encodeKey(["a", "x"]), before);
  // Many keys of the same lengths, in turn.
  const keys = Array.from({ length: 500 }, (_, index): Key => ["k", String(index).padStart(3, "0")]);
  const encoded = keys.map(encodeKey);
  for (let round = 0; round < 2; round++) assertEquals(keys.map(encodeKey), encoded);
  assertEquals(encoded.map(decodeKey), keys);
});

Deno.test("encodedParent() is the encoding of a key without its last part", () => {
  for (const parts of [["a"], ["a", "b"], ["a", "", "c"], ["a", ""], ["", ""], ["a", "b\x01\x02", "c"]]) {
    assertEquals(encodedParent(encodeKey(parts)), encodeKey(parts.slice(0, -1)));
  }
});

Deno.test("encodeKey() escapes halves of pairs alone, and compareEncoded() orders what stands around them", () => {
  for (const whole of ["\ud7ff", "\ue000", "\u{103ff}"]) assertEquals(encodeKey([whole]), `${whole}\x01`);
  for (const beside of ["\ud7ff", "\ue000"]) assertEquals(encodeKey([`${beside}\0`]), `${beside}\x02\x02\x01`);
  for (const half of ["\ud800", "\udfff"]) {
    assert(encodeKey([half]).isWellFormed());
    assertEquals(decodeKey(encodeKey([half])), [half]);
  }
  assert(compareEncoded("\ue000", "\ud7ff") > 0);
  assert(compareEncoded("\u{103ff}", "\u{103fe}") > 0);
});

function compareBytes(a: string, b: string): number {
  const [first, second] = [new TextEncoder().encode(a), new TextEncoder().encode(b)];
  for (let index = 0; index < Math.min(first.length, second.length); index++) {
    const difference = (first[index] ?? 0) - (second[index] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return Math.sign(first.length - second.length);
}
