/** Checks of options and the errors that callers handle. @module */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  DURATION,
  MAX_DURATION_MS,
  POSITIVE_DURATION,
  requireNumber,
  requireOptions,
  requireString,
  requireWellFormed,
  typeName,
} from "../src/check.ts";
import {
  BackendClosedError,
  BackendCorruptError,
  BackendUnavailableError,
  CoordinationError,
  OutcomeUnknownError,
  SchemaNewerError,
  ValueTooLargeError,
} from "../src/errors.ts";

Deno.test("requireNumber() takes the bounds themselves and refuses what is beyond", () => {
  const rule = { min: 0, max: 9, integer: true };
  for (const value of [0, 5, 9]) assertEquals(requireNumber("priority", value, rule), value);
  for (const value of [-1, 10, Infinity]) {
    assertThrows(
      () => requireNumber("priority", value, rule),
      RangeError,
      `Cannot use priority: it must be from 0 to 9, got ${value}`,
    );
  }
  assertThrows(
    () => requireNumber("priority", 1.5, rule),
    RangeError,
    "Cannot use priority: it must be an integer, got 1.5",
  );
  assertThrows(() => requireNumber("priority", NaN, rule), RangeError, "got NaN");
});

Deno.test("requireNumber() refuses NaN and, where they are not named, infinities", () => {
  assertEquals(requireNumber("delayMs", 0, DURATION), 0);
  assertEquals(requireNumber("delayMs", MAX_DURATION_MS, DURATION), MAX_DURATION_MS);
  assertEquals(requireNumber("limit", Infinity, { min: 0, max: Infinity, integer: true }), Infinity);
  for (const value of [NaN, Infinity, -Infinity, -0.5]) {
    assertThrows(() => requireNumber("delayMs", value, DURATION), RangeError, "Cannot use delayMs");
  }
  assertThrows(() => requireNumber("leaseMs", 0, POSITIVE_DURATION), RangeError, "Cannot use leaseMs");
});

Deno.test("requireNumber() and requireString() say what they got instead", () => {
  const cases: [unknown, string][] = [["5", "string"], [null, "null"], [undefined, "undefined"], [[5], "an array"], [
    5n,
    "bigint",
  ]];
  for (const [value, name] of cases) {
    assertEquals(typeName(value), name);
    assertThrows(
      () => requireNumber("n", value, DURATION),
      TypeError,
      `Cannot use n: it must be a number, got ${name}`,
    );
  }
  assertThrows(() => requireString("s", 5, 0, 9), TypeError, "Cannot use s: it must be a string, got number");
});

Deno.test("requireString() takes the bounds themselves and refuses what is beyond", () => {
  for (const value of ["a", "abc"]) assertEquals(requireString("s", value, 1, 3), value);
  for (const value of ["", "abcd"]) {
    assertThrows(
      () => requireString("s", value, 1, 3),
      RangeError,
      `it must have 1 to 3 characters, got ${value.length}`,
    );
  }
});

Deno.test("requireWellFormed() takes text within its bounds, and refuses a lone surrogate", () => {
  for (const value of ["a", "\u{1f600}"]) assertEquals(requireWellFormed("s", value, 1, 3), value);
  assertThrows(() => requireWellFormed("s", "", 1, 3), RangeError, "it must have 1 to 3 characters, got 0");
  for (const value of ["\ud800", "a\udc00b"]) {
    assertThrows(() => requireWellFormed("s", value, 1, 3), TypeError, "Cannot use s: it must be well-formed Unicode");
  }
});

Deno.test("every error has its own class, name and stable code, and keeps its cause", () => {
  const cause = new Error("the engine's own");
  const errors: [CoordinationError, string, string][] = [
    [new BackendUnavailableError("Cannot reach it", { cause }), "BackendUnavailableError", "BACKEND_UNAVAILABLE"],
    [new OutcomeUnknownError("Cannot tell", { cause }), "OutcomeUnknownError", "OUTCOME_UNKNOWN"],
    [new BackendClosedError("memory"), "BackendClosedError", "BACKEND_CLOSED"],
    [new SchemaNewerError("sqlite", 3, 2), "SchemaNewerError", "BACKEND_SCHEMA_NEWER"],
    [new BackendCorruptError("Cannot read it", { cause }), "BackendCorruptError", "BACKEND_CORRUPT"],
    [new ValueTooLargeError(10, 5), "ValueTooLargeError", "VALUE_TOO_LARGE"],
  ];
  for (const [error, name, code] of errors) {
    assert(error instanceof CoordinationError);
    assertEquals([error.name, error.code], [name, code]);
    assert(/^Cannot .*[^.]$/.test(error.message), error.message);
  }
  assertEquals(errors[0]?.[0].cause, cause);
});

Deno.test("requireOptions() takes what is named, given or not, and refuses any other name", () => {
  const names = { delayMs: true, limit: true } as const;
  requireOptions("send()", {}, names);
  requireOptions("send()", { limit: 1, delayMs: undefined }, names);
  for (const name of ["delayMS", "toString", "__proto__x", "0"]) {
    assertThrows(
      () => requireOptions("send()", { limit: 1, [name]: undefined }, names),
      TypeError,
      `Cannot use ${name}: send() takes only delayMs, limit`,
    );
  }
});

Deno.test("requireOptions() refuses what is no object", () => {
  for (const [given, type] of [[null, "null"], [5, "number"], ["fast", "string"]] as const) {
    assertThrows(
      () => requireOptions("send()", given as unknown as object, {}),
      TypeError,
      `Cannot use the options of send(): they must be an object, got ${type}`,
    );
  }
});
