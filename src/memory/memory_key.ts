/** The memory keys of the Python original, byte for byte, so that both find what the other stored. @module */

import { requireString, typeName } from "../check.ts";
import { type JsonObject, MAX_JSON_DEPTH } from "../storage/json.ts";
import { md5 } from "./md5.ts";

/**
 * A key for what a user said in a session: `user:session`, and with a context `user:session:` and the first 8 hex
 * digits of the MD5 of its JSON text, as Python writes it: `json.dumps(context, sort_keys=True)`. As there, an empty
 * context is none.
 *
 * Where the two languages differ, the rules are these. A number without a fraction is an integer in JavaScript, so that
 * `1.0` is written `1` and `-0` is written `0`, as Python writes the integers: pass a context from Python through
 * without floats of that kind, or as strings. Beyond `Number.MAX_SAFE_INTEGER` a number is written as Python writes a
 * float (`1e+16`). NaN and the infinities, which are no JSON, are refused.
 *
 * @example
 * ```ts
 * import { createMemoryKey } from "@tta/agent-coordination";
 *
 * console.log(createMemoryKey("ada", "s1", { task: "plan", step: 2 })); // ada:s1:d43f2a47
 * ```
 *
 * @throws {TypeError} When the ids are no strings, or JSON cannot carry the context.
 */
export function createMemoryKey(userId: string, sessionId: string, context?: JsonObject | null): string {
  requireString("userId", userId, 0, Infinity);
  requireString("sessionId", sessionId, 0, Infinity);
  const base = `${userId}:${sessionId}`;
  if (context === undefined || context === null) return base;
  if (typeof context !== "object" || Array.isArray(context)) {
    throw new TypeError(`Cannot use context: it must be an object, got ${typeName(context)}`);
  }
  if (Object.keys(context).length === 0) return base;
  return `${base}:${md5(pythonJson(context, "context", 0)).slice(0, 8)}`;
}

function pythonJson(value: unknown, path: string, depth: number): string {
  if (depth > MAX_JSON_DEPTH) throw new TypeError(`Cannot use ${path.slice(0, 80)}...: it is nested too deep`);
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return pythonString(value);
  if (typeof value === "number" && Number.isFinite(value)) return pythonNumber(value);
  if (Array.isArray(value)) {
    return `[${Array.from(value, (item, index) => pythonJson(item, `${path}[${index}]`, depth + 1)).join(", ")}]`;
  }
  if (isPlainObject(value)) {
    const fields = Object.keys(value).sort(compareCodePoints);
    const write = (name: string) => `${pythonString(name)}: ${pythonJson(value[name], `${path}.${name}`, depth + 1)}`;
    return `{${fields.map(write).join(", ")}}`;
  }
  const what = typeof value === "number" ? String(value) : typeName(value);
  throw new TypeError(`Cannot use ${path}: JSON cannot carry ${what}`);
}

const SHORT_ESCAPES: Readonly<Record<string, string>> = {
  '"': '\\"',
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
};

/** All but printable ASCII is escaped, by UTF-16 code unit. */
function pythonString(text: string): string {
  const escaped = text.replace(
    /["\\]|[^ -~]/g,
    (unit) => SHORT_ESCAPES[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `"${escaped}"`;
}

/** The same shortest digits as JavaScript, with an exponent below 1e-4 and from 1e16. */
function pythonNumber(value: number): string {
  if (Number.isSafeInteger(value)) return String(value + 0); // no negative zero
  const [mantissa = "", exponentText = ""] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < 16) {
    const text = String(value);
    return text.includes(".") ? text : `${text}.0`;
  }
  return `${mantissa}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

/** Python sorts strings by code point, JavaScript by code unit. */
function compareCodePoints(a: string, b: string): number {
  const left = Array.from(a);
  const right = Array.from(b);
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    // deno-coverage-ignore -- the compiler asks for it: both have so many characters
    const difference = (left[index]?.codePointAt(0) ?? 0) - (right[index]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null;
}
