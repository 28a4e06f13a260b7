/** JSON values: what may be stored, and a clear refusal, naming the path, of what JSON cannot carry. @module */

import { typeName } from "../check.ts";

/** Anything that JSON can carry without loss. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;

/** A JSON object. A `type` fits where one is wanted, an `interface` does not: TypeScript takes it for open. */
export type JsonObject = { readonly [name: string]: JsonValue };

/** The deepest nesting that is accepted: far beyond use, and short of overflowing an engine's parser. */
export const MAX_JSON_DEPTH = 200;

/**
 * A deep copy of a JSON value, checked on the way. Negative zero becomes zero, as in JSON text.
 *
 * @throws {TypeError} When JSON cannot carry it: `undefined`, functions, symbols, bigints, NaN and the infinities,
 * objects with a prototype of their own (dates, maps, class instances), arrays with holes, cycles. Names the path.
 */
export function copyJson(value: unknown, path = "value"): JsonValue {
  const copied = copy(value, 0);
  if (copied === undefined) throw refusal(value, path);
  return copied;
}

/**
 * The JSON text of a value.
 *
 * @throws {TypeError} As {@linkcode copyJson}.
 */
export function encodeJson(value: unknown, path = "value"): string {
  if (!isJson(value, 0)) throw refusal(value, path);
  return JSON.stringify(value);
}

/**
 * Checks a value without copying or encoding it.
 *
 * @throws {TypeError} As {@linkcode copyJson}.
 */
export function requireJson(value: unknown, path = "value"): void {
  if (!isJson(value, 0)) throw refusal(value, path);
}

/**
 * A deep copy of what must be a JSON object, and not just any value.
 *
 * @throws {TypeError} When it is none, or as {@linkcode copyJson}.
 */
export function copyJsonObject(value: unknown, path: string): JsonObject {
  const copied = typeof value === "object" ? copyJson(value, path) : null;
  if (isJsonObject(copied)) return copied;
  throw new TypeError(`Cannot use ${path}: it must be a JSON object, got ${typeName(value)}`);
}

function isJsonObject(value: JsonValue): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const { hasOwnProperty } = Object.prototype;

/**
 * Copies what JSON can carry; `undefined` says that it cannot, and leaves the search for the place to the rare case.
 */
function copy(value: unknown, depth: number): JsonValue | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value + 0 : undefined;
  if (typeof value !== "object" || value === null) return isScalar(value) ? value : undefined;
  if (depth >= MAX_JSON_DEPTH) return undefined;
  if (Array.isArray(value)) {
    const items: JsonValue[] = [];
    for (let index = 0; index < value.length; index++) {
      const item = copy(value[index], depth + 1);
      if (item === undefined) return undefined;
      items.push(item);
    }
    return items;
  }
  if (!isPlain(value)) return undefined;
  const object: { [name: string]: JsonValue } = {};
  // Makes no list of the names, as Object.keys would, and in this loop the question whose they are costs next to
  // nothing.
  for (const name in value) {
    if (!hasOwnProperty.call(value, name)) continue;
    const item = copy(value[name], depth + 1);
    if (item === undefined) return undefined;
    if (name === "__proto__") defineProto(object, item);
    else object[name] = item;
  }
  return object;
}

function isJson(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return isScalar(value);
  if (depth >= MAX_JSON_DEPTH) return false;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) if (!isJson(value[index], depth + 1)) return false;
    return true;
  }
  if (!isPlain(value)) return false;
  // Unlike Object.keys, this makes no list of the names; what an object has inherited, JSON does not carry.
  for (const name in value) if (!isJson(value[name], depth + 1) && Object.hasOwn(value, name)) return false;
  return true;
}

function isScalar(value: unknown): value is string | number | boolean | null {
  return value === null || typeof value === "string" || typeof value === "boolean" ||
    (typeof value === "number" && Number.isFinite(value));
}

function isPlain(value: object): value is Record<string, unknown> {
  const prototype = Object.getPrototypeOf(value);
  // An object of another realm has that realm's Object.prototype, which in turn has none.
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** A plain assignment to `__proto__` would set the prototype instead of a property. */
function defineProto(object: object, value: JsonValue): void {
  Object.defineProperty(object, "__proto__", { value, enumerable: true, configurable: true, writable: true });
}

/** Finds the first place that JSON cannot carry and says why. */
function refusal(value: unknown, path: string, depth = 0): TypeError {
  if (typeof value === "object" && value !== null && depth >= MAX_JSON_DEPTH) {
    return new TypeError(
      `Cannot store ${path.slice(0, 80)}...: it is nested deeper than ${MAX_JSON_DEPTH} levels, or contains itself`,
    );
  }
  for (const [step, part] of partsOf(value)) {
    if (!isJson(part, depth + 1)) return refusal(part, path + step, depth + 1);
  }
  return new TypeError(`Cannot store ${path}: JSON cannot carry ${describe(value)}`);
}

/** The parts of an array or a plain object, each with the step of the path that leads to it. */
function partsOf(value: unknown): [step: string, part: unknown][] {
  if (Array.isArray(value)) return Array.from(value, (part, index) => [`[${index}]`, part]);
  if (typeof value !== "object" || value === null || !isPlain(value)) return [];
  return Object.entries(value).map(([name, part]) => [
    /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`,
    part,
  ]);
}

function describe(value: unknown): string {
  if (typeof value === "number") return String(value);
  if (typeof value === "object" && value !== null) {
    return `an object of the class ${value.constructor?.name ?? "unknown"}`;
  }
  return value === undefined ? "undefined" : `a ${typeof value}`;
}
