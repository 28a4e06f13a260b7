/** Stands in for @std/assert where its registry cannot be reached: the same names and signatures over node:assert. @module */

import assertion from "node:assert/strict";

// deno-lint-ignore no-explicit-any -- as in the package that this stands in for
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;
type Falsy = false | 0 | 0n | "" | null | undefined;

export class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

function attempt(check: () => void, msg?: string): void {
  try {
    check();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new AssertionError(msg === undefined ? reason : `${reason}: ${msg}`, { cause: error });
  }
}

export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

export function assertFalse(expr: unknown, msg = ""): asserts expr is Falsy {
  if (expr) throw new AssertionError(msg);
}

export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  attempt(() => assertion.deepStrictEqual(actual, expected), msg);
}

export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  attempt(() => assertion.notDeepStrictEqual(actual, expected), msg);
}

export function assertStrictEquals<T>(actual: unknown, expected: T, msg?: string): asserts actual is T {
  attempt(() => assertion.strictEqual(actual, expected), msg);
}

export function assertNotStrictEquals<T>(actual: T, expected: T, msg?: string): void {
  attempt(() => assertion.notStrictEqual(actual, expected), msg);
}

export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual === undefined || actual === null) {
    throw new AssertionError(`Expected a value, got ${actual}: ${msg ?? ""}`);
  }
}

export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (!actual.includes(expected)) {
    throw new AssertionError(`Expected "${actual}" to contain "${expected}": ${msg ?? ""}`);
  }
}

export function assertArrayIncludes<T>(
  actual: ArrayLike<T> & object,
  expected: ArrayLike<T> & object,
  msg?: string,
): void {
  for (const wanted of Array.from(expected)) {
    const found = Array.from(actual).some((item) => isEqual(item, wanted));
    if (!found) throw new AssertionError(`Expected ${show(actual)} to include ${show(wanted)}: ${msg ?? ""}`);
  }
}

export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  attempt(() => assertion.match(actual, expected), msg);
}

export function assertNotMatch(actual: string, expected: RegExp, msg?: string): void {
  attempt(() => assertion.doesNotMatch(actual, expected), msg);
}

export function assertObjectMatch(
  // deno-lint-ignore no-explicit-any -- as in the package that this stands in for
  actual: Record<PropertyKey, any>,
  expected: Record<PropertyKey, unknown>,
  msg?: string,
): void {
  if (!matches(actual, expected)) {
    throw new AssertionError(`Expected ${show(actual)} to match ${show(expected)}: ${msg ?? ""}`);
  }
}

export function assertGreater<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual > expected)) throw new AssertionError(`Expected ${show(actual)} > ${show(expected)}: ${msg ?? ""}`);
}

export function assertGreaterOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual >= expected)) throw new AssertionError(`Expected ${show(actual)} >= ${show(expected)}: ${msg ?? ""}`);
}

export function assertLess<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual < expected)) throw new AssertionError(`Expected ${show(actual)} < ${show(expected)}: ${msg ?? ""}`);
}

export function assertLessOrEqual<T>(actual: T, expected: T, msg?: string): void {
  if (!(actual <= expected)) throw new AssertionError(`Expected ${show(actual)} <= ${show(expected)}: ${msg ?? ""}`);
}

export function assertAlmostEquals(actual: number, expected: number, tolerance?: number, msg?: string): void {
  if (Object.is(actual, expected)) return;
  const allowed = tolerance ?? (Number.isFinite(expected) ? Math.abs(expected * 1e-7) : 1e-7);
  if (!(Math.abs(expected - actual) <= allowed)) {
    throw new AssertionError(`Expected ${actual} to be within ${allowed} of ${expected}: ${msg ?? ""}`);
  }
}

export function assertInstanceOf<
  // deno-lint-ignore no-explicit-any -- as in the package that this stands in for
  T extends abstract new (...args: any[]) => any,
>(actual: unknown, expectedType: T, msg = ""): asserts actual is InstanceType<T> {
  if (!(actual instanceof expectedType)) {
    throw new AssertionError(`Expected an instance of ${expectedType.name}, got ${show(actual)}: ${msg}`);
  }
}

export function assertIsError<E extends Error = Error>(
  error: unknown,
  ErrorClass?: ErrorClass<E>,
  msgMatches?: string | RegExp,
  msg?: string,
): asserts error is E {
  if (!(error instanceof Error)) throw new AssertionError(`Expected an Error, got ${show(error)}: ${msg ?? ""}`);
  if (ErrorClass && !(error instanceof ErrorClass)) {
    throw new AssertionError(`Expected ${ErrorClass.name}, got ${error.name} "${error.message}": ${msg ?? ""}`, {
      cause: error,
    });
  }
  const matches = typeof msgMatches === "string" ? error.message.includes(msgMatches) : msgMatches?.test(error.message);
  if (matches === false) {
    throw new AssertionError(`Expected "${error.message}" to match ${msgMatches}: ${msg ?? ""}`, { cause: error });
  }
}

export function assertThrows(fn: () => unknown, msg?: string): unknown;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): E;
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClassOrMsg?: ErrorClass<E> | string,
  msgIncludes?: string,
  msg?: string,
): unknown {
  try {
    fn();
  } catch (error) {
    return requireError(error, ErrorClassOrMsg, msgIncludes, msg);
  }
  throw new AssertionError(`Expected the function to throw: ${msg ?? ""}`);
}

export function assertRejects(fn: () => PromiseLike<unknown>, msg?: string): Promise<unknown>;
export function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorClass<E>,
  msgIncludes?: string,
  msg?: string,
): Promise<E>;
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClassOrMsg?: ErrorClass<E> | string,
  msgIncludes?: string,
  msg?: string,
): Promise<unknown> {
  let promise: PromiseLike<unknown>;
  try {
    promise = fn();
  } catch (error) {
    throw new AssertionError(`Expected a rejected promise, but the function threw: ${msg ?? ""}`, { cause: error });
  }
  try {
    await promise;
  } catch (error) {
    return requireError(error, ErrorClassOrMsg, msgIncludes, msg);
  }
  throw new AssertionError(`Expected the promise to be rejected: ${msg ?? ""}`);
}

export function fail(msg?: string): never {
  throw new AssertionError(`Failed: ${msg ?? ""}`);
}

export function unreachable(msg?: string): never {
  throw new AssertionError(`Unreachable: ${msg ?? ""}`);
}

function requireError<E extends Error>(
  error: unknown,
  ErrorClassOrMsg: ErrorClass<E> | string | undefined,
  msgIncludes: string | undefined,
  msg: string | undefined,
): unknown {
  if (typeof ErrorClassOrMsg === "function") assertIsError(error, ErrorClassOrMsg, msgIncludes, msg);
  return error;
}

function isEqual(a: unknown, b: unknown): boolean {
  try {
    assertion.deepStrictEqual(a, b);
    return true;
  } catch {
    return false;
  }
}

/** Whether all that `expected` has is in `actual` too; arrays are compared item by item, from the first. */
function matches(actual: unknown, expected: unknown): boolean {
  if (Array.isArray(actual) && Array.isArray(expected)) {
    return expected.every((item, index) => index < actual.length && matches(actual[index], item));
  }
  if (!isPlain(actual) || !isPlain(expected)) return isEqual(actual, expected);
  return Reflect.ownKeys(expected).every((key) => Object.hasOwn(actual, key) && matches(actual[key], expected[key]));
}

function isPlain(value: unknown): value is Record<PropertyKey, unknown> {
  return Object.prototype.toString.call(value) === "[object Object]";
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : Deno.inspect(value);
}
