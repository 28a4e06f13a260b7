import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Analyzer, MAX_TERM_LENGTH, stringsOf } from "../../src/memory/text.ts";

const analyzer = new Analyzer();
const termsOf = (text: string, by: Analyzer = analyzer) => by.tokens(text).map(({ term }) => term);

Deno.test("tokens() are words without case, accents, endings and stop-words", () => {
  assertEquals(termsOf("The CONNECTIONS of a crème brûlée, isn't it?"), ["connect", "creme", "brule"]);
  assertEquals(termsOf("Straße Łódź İstanbul ΣΟΦΟΣ"), ["strass", "lodz", "istanbul", "σοφοσ"]);
  assertEquals(termsOf("ﬁne １２３"), ["fine", "123"]);
});

Deno.test("tokens() drop what English hangs on a word with an apostrophe", () => {
  assertEquals(termsOf("Ada's dog’s we're can't won't O'Brien"), ["ada", "dog", "brien"]);
});

Deno.test("tokens() keep identifiers, versions and dates whole and in parts", () => {
  assertEquals(termsOf("getUserName"), ["getusernam", "get", "user", "name"]);
  assertEquals(termsOf("HTTPServer"), ["httpserver", "http", "server"]);
  assertEquals(termsOf("snake_case_name"), ["snake_case_name", "snake", "case", "name"]);
  assertEquals(termsOf("v1.2.3"), ["v1.2.3", "1", "2", "3"]);
  assertEquals(termsOf("2026-11-05"), ["2026-11-05", "2026", "11", "05"]);
  assertEquals(termsOf("gpt-4 192.168.0.1"), ["gpt-4", "gpt", "4", "192.168.0.1", "192", "168", "0", "1"]);
  assertEquals(termsOf("high-speed"), ["high", "speed"]);
});

Deno.test("tokens() of a name written as one word and in camel case are the same", () => {
  assertEquals(termsOf("YouTube")[0], termsOf("youtube")[0]);
});

Deno.test("tokens() cut scripts without spaces into characters and pairs", () => {
  assertEquals(termsOf("黒い猫"), ["黒", "黒い", "い", "い猫", "猫"]);
  assert(termsOf("ภาษาไทย").includes("ไ"));
  assertEquals(termsOf("हिन्दी"), ["हिन्दी"]);
});

Deno.test("tokens() cut Korean as scripts without spaces: what hangs on its words is written as part of them", () => {
  assertEquals(termsOf("수도는"), ["수", "수도", "도", "도는", "는"]);
});

Deno.test("tokens() take a word with accents for none of the English stop-words, but for one of others", () => {
  assertEquals(termsOf("the thé to tổ an án"), ["the", "to", "an"]);
  assertEquals(termsOf("là où été", new Analyzer({ stopWords: ["la", "ou"] })), ["et"]);
});

Deno.test("tokens() keep emoji, without the colour of a skin, and flags", () => {
  assertEquals(termsOf("shipped🚀🎉 👍🏽 ❤️ 🇫🇷!"), ["ship", "🚀", "🎉", "👍", "❤", "🇫🇷"]);
  assertEquals(termsOf("👩‍💻 © 1️⃣"), ["👩", "💻", "1"]);
});

Deno.test("tokens() are cut at a length, and a long text takes no quadratic time", () => {
  assertEquals(termsOf("x".repeat(1000)).map((term) => term.length), [MAX_TERM_LENGTH]);
  const hostile = [
    "aB",
    "a.",
    "A",
    "_",
    "a'",
    "\u0301",
    "y",
    "漢",
    "1a",
    "’",
    "ß",
    "-a",
    "n't",
    "\ud800",
    "🚀",
    "🇫",
    "❤\ufe0f",
  ];
  for (const piece of hostile) {
    const startedAt = performance.now();
    termsOf(piece.repeat(100_000));
    analyzer.openPrefix(piece.repeat(100_000));
    assert(performance.now() - startedAt < 5000, `${JSON.stringify(piece)} x 100,000`);
  }
});

Deno.test("tokens() are the same in any normal form and case when given any text", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => {
    assertEquals(termsOf(text.normalize("NFD")), termsOf(text.normalize("NFC")));
    assertEquals(termsOf(text), termsOf(text, new Analyzer()));
  }));
});

Deno.test("tokens() have the form of the word and its stem", () => {
  assertEquals(analyzer.tokens("Connections"), [{ form: "connections", term: "connect" }]);
});

Deno.test("openPrefix() is the word that a text breaks off in", () => {
  assertEquals(analyzer.openPrefix("the Weath"), "weath");
  assertEquals(analyzer.openPrefix("to v1.2"), "v1.2");
  assertEquals(analyzer.openPrefix("Brûl"), "brul");
  for (const text of ["weather ", "weather?", "", "we"]) assertEquals(analyzer.openPrefix(text), null, text);
});

Deno.test("Analyzer takes other stop-words and another stemmer", () => {
  const other = new Analyzer({ stopWords: ["und", "der"], stem: (word) => word.replace(/en$/, "") });
  assertEquals(termsOf("Der Wagen und the Frauen", other), ["wag", "the", "frau"]);
  assertEquals(termsOf("to be", new Analyzer({ stopWords: [] })), ["to", "be"]);
});

Deno.test("Analyzer refuses options that are none", () => {
  // deno-lint-ignore no-explicit-any -- what a caller without types may pass
  const make = (options: any) => () => new Analyzer(options);
  assertThrows(make({ stopWords: "and" }), TypeError, "stopWords");
  assertThrows(make({ stopWords: 5 }), TypeError, "stopWords");
  assertThrows(make({ stem: "porter" }), TypeError, "stem");
});

Deno.test("stringsOf() gives the strings of a value in order, without the names of fields", () => {
  assertEquals(stringsOf({ text: "a", list: ["b", { deep: "c" }], number: 1, flag: true, none: null }), [
    "a",
    "b",
    "c",
  ]);
  assertEquals(stringsOf("alone"), ["alone"]);
  assertEquals(stringsOf(5), []);
});
