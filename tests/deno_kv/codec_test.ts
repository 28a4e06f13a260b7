/** What is stored in Deno KV: what was written is read, and what is damaged or newer is noticed. @module */

import { assertEquals, assertThrows } from "@std/assert";
import {
  decodeBulletin,
  decodeChange,
  decodeFeed,
  decodeId,
  decodeMessages,
  decodeNote,
  decodeRecord,
  encodeBulletin,
  encodeChange,
  encodeFeed,
  encodeId,
  encodeMessages,
  encodeNote,
  encodeRecord,
  type Message,
  piecesOf,
} from "../../backends/deno_kv/codec.ts";
import { BackendCorruptError } from "../../src/errors.ts";

const MESSAGE: Message = {
  id: "m",
  priority: 5,
  attempts: 1,
  maxAttempts: 3,
  enqueuedAtMs: 1000,
  seenUntilMs: 2000,
  lastError: null,
  token: "t",
  content: "{}",
};

Deno.test("the codec of Deno KV reads what it wrote", () => {
  const record = { expiresAtMs: 5, content: ["p", 3] as const, change: 7 };
  assertEquals(decodeRecord(encodeRecord(record)), record);
  assertEquals(decodeRecord(encodeRecord({ ...record, change: 0 })), { ...record, change: 0 });
  assertEquals(decodeFeed(encodeFeed({ epoch: "e", last: 2 })), { epoch: "e", last: 2 });
  assertEquals(decodeChange(encodeChange("k", true)), { key: "k", isDeletion: true });
  assertEquals(decodeMessages(encodeMessages([MESSAGE, { ...MESSAGE, lastError: "e" }])), [
    MESSAGE,
    { ...MESSAGE, lastError: "e" },
  ]);
  const place = { state: "dead", priority: 5, atMs: 9, rank: "r" } as const;
  for (const each of [place, null]) {
    assertEquals(decodeId(encodeId({ seenUntilMs: 1, place: each })), { seenUntilMs: 1, place: each });
  }
  assertEquals(decodeNote(encodeNote(1, [["p", 2]])), { atMs: 1, pieces: [["p", 2]] });
  assertEquals(decodeBulletin(encodeBulletin(4, ["a", "b"])), { count: 4, topics: ["a", "b"] });
  assertEquals([piecesOf("text"), piecesOf(["p", 1])], [null, ["p", 1]]);
});

Deno.test("the codec of Deno KV notices what is damaged in any of its parts, and what is of another format", () => {
  const place = { state: "dead", priority: 5, atMs: 9, rank: "r" } as const;
  const cases: readonly (readonly [stored: unknown[], decode: (stored: unknown) => unknown, optional: number[]])[] = [
    [encodeRecord({ expiresAtMs: 5, content: "c", change: 7 }), decodeRecord, [3]],
    [encodeFeed({ epoch: "e", last: 2 }), decodeFeed, []],
    [encodeChange("k", true), decodeChange, []],
    [encodeMessages([MESSAGE]), decodeMessages, []],
    [encodeId({ seenUntilMs: 1, place }), decodeId, [2]],
    [encodeNote(1, [["p", 2]]), decodeNote, []],
    [encodeBulletin(4, ["a"]), decodeBulletin, []],
  ];
  for (const [stored, decode, optional] of cases) {
    for (let index = 0; index < stored.length; index++) {
      const broken = stored.map((part, at) => at === index ? new Date() : part);
      assertThrows(() => decode(broken), BackendCorruptError, "that this version cannot read");
      if (optional.includes(index)) continue;
      const missing = stored.map((part, at) => at === index ? undefined : part);
      assertThrows(() => decode(missing), BackendCorruptError, "that this version cannot read");
    }
    for (const other of [null, {}, "text", []]) assertThrows(() => decode(other), BackendCorruptError);
  }
  const [format, message] = encodeMessages([MESSAGE]);
  if (!Array.isArray(message)) throw new TypeError("a message is stored as an array");
  for (let index = 0; index < message.length; index++) {
    const broken = message.map((part: unknown, at) => at === index ? {} : part);
    assertThrows(() => decodeMessages([format, broken]), BackendCorruptError, "it holds a message");
  }
  assertThrows(() =>
    decodeRecord([...encodeRecord({ expiresAtMs: 5, content: ["p", 3], change: 0 }).slice(0, 2), ["p"]])
  );
});
