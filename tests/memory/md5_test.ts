/** MD5, held to RFC 1321 and to the platform's own. @module */

import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { md5 } from "../../src/memory/md5.ts";

// From the test suite of the RFC.
const VECTORS: Readonly<Record<string, string>> = {
  "": "d41d8cd98f00b204e9800998ecf8427e",
  "a": "0cc175b9c0f1b6a831c399e269772661",
  "message digest": "f96b697d7cb7938d525a2f31aaf161d0",
  "12345678901234567890123456789012345678901234567890123456789012345678901234567890":
    "57edf4a22be3c955ac49da2e2107b67a",
};

Deno.test("md5() gives the digests of RFC 1321", () => {
  for (const [text, digest] of Object.entries(VECTORS)) assertEquals(md5(text), digest);
});

Deno.test("md5() agrees with the platform on texts of every length around a block, and on any text", () => {
  const ofPlatform = (text: string) => createHash("md5").update(text).digest("hex");
  for (let length = 0; length <= 200; length++) assertEquals(md5("x".repeat(length)), ofPlatform("x".repeat(length)));
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
    assertEquals(md5(text), ofPlatform(text));
  }));
});
