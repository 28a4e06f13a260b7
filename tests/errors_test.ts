/** What errors say. @module */

import { assertEquals, assertStrictEquals } from "@std/assert";
import { asError, driverMissing } from "../src/errors.ts";

Deno.test("driverMissing() tells why a driver that is installed cannot be loaded, and nothing of one that is not", () => {
  const absent = Object.assign(new Error("no such module"), { code: "ERR_MODULE_NOT_FOUND" });
  for (
    const [cause, message] of [
      [absent, "Cannot connect: it needs the package driver"],
      [new Error("bad syntax"), "Cannot connect: it needs the package driver, which cannot be loaded: bad syntax"],
      [
        Object.assign(new Error("no entry"), { code: "ERR_PACKAGE_PATH_NOT_EXPORTED" }),
        "Cannot connect: it needs the package driver, which cannot be loaded: no entry",
      ],
      ["text", "Cannot connect: it needs the package driver, which cannot be loaded: text"],
    ] as const
  ) {
    const error = driverMissing("Cannot connect", "driver", cause);
    assertEquals([error.code, error.message], ["DRIVER_MISSING", message]);
    assertStrictEquals(error.cause, cause);
  }
});

Deno.test("asError() gives an error as it is, and makes one of whatever else was thrown", () => {
  const error = new RangeError("too many");
  assertStrictEquals(asError(error), error);
  const cycle: { self?: unknown } = {};
  cycle.self = cycle;
  const secret = { toJSON: () => undefined };
  const thrown = ["text", { message: "told" }, undefined, { code: 5, why: ["late"] }, [1, 2], cycle, secret];
  assertEquals(thrown.map((each) => asError(each).message), [
    "text",
    "told",
    "undefined",
    '{"code":5,"why":["late"]}',
    "1,2",
    "[object Object]",
    "[object Object]",
  ]);
});
