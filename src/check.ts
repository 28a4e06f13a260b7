/** Checks of options, with one grammar for all messages: the field, the rule, what was given. @module */

/** What a number must be. */
export interface NumberRule {
  /** The smallest value that is allowed. */
  readonly min: number;
  /** The largest value that is allowed; infinity only where it is named here. */
  readonly max: number;
  /** Whether fractions are refused. */
  readonly integer?: boolean;
}

/** The longest time that any option takes, in milliseconds: a hundred years, so that sums of times stay exact. */
export const MAX_DURATION_MS = 100 * 365.25 * 24 * 3600 * 1000;

/** Durations from zero. */
export const DURATION: NumberRule = { min: 0, max: MAX_DURATION_MS };

/** Durations above zero. */
export const POSITIVE_DURATION: NumberRule = { min: 1, max: MAX_DURATION_MS };

/**
 * Requires a number by a rule and returns it.
 *
 * @throws {TypeError} When it is no number.
 * @throws {RangeError} When it breaks the rule.
 */
export function requireNumber(field: string, value: unknown, rule: NumberRule): number {
  if (typeof value !== "number") {
    throw new TypeError(`Cannot use ${field}: it must be a number, got ${typeName(value)}`);
  }
  if (rule.integer && !Number.isInteger(value) && value !== Infinity) {
    throw new RangeError(`Cannot use ${field}: it must be an integer, got ${value}`);
  }
  if (!(value >= rule.min && value <= rule.max)) {
    throw new RangeError(`Cannot use ${field}: it must be from ${rule.min} to ${rule.max}, got ${value}`);
  }
  return value;
}

/**
 * Requires a string whose length is within bounds and returns it.
 *
 * @throws {TypeError} When it is no string.
 * @throws {RangeError} When it is too short or too long.
 */
export function requireString(field: string, value: unknown, minLength: number, maxLength: number): string {
  if (typeof value !== "string") {
    throw new TypeError(`Cannot use ${field}: it must be a string, got ${typeName(value)}`);
  }
  if (value.length < minLength || value.length > maxLength) {
    throw new RangeError(
      `Cannot use ${field}: it must have ${minLength} to ${maxLength} characters, got ${value.length}`,
    );
  }
  return value;
}

/**
 * Requires such a string to be well-formed and returns it: not every engine can carry a lone surrogate, and two names
 * must never become one.
 *
 * @throws {TypeError} When it is no string, or has a lone surrogate.
 * @throws {RangeError} When it is too short or too long.
 */
export function requireWellFormed(field: string, value: unknown, minLength: number, maxLength: number): string {
  const text = requireString(field, value, minLength, maxLength);
  if (text.isWellFormed()) return text;
  throw new TypeError(`Cannot use ${field}: it must be well-formed Unicode, with no lone surrogate`);
}

/** Requires a value to be what an option must be, naming the field. */
export type OptionCheck = (field: string, value: unknown) => void;

/**
 * All options of a type, each with its check, or `true` where it is checked by whoever uses it. None can be missing.
 */
export type OptionNames<Options> = { readonly [Name in keyof Options]-?: true | OptionCheck };

/**
 * Requires an object with no other options than these, each as its check wants it: one that is misspelt would do
 * nothing, and say nothing.
 *
 * @throws {TypeError} When it is no object, has another one, or one that is not as it must be.
 */
export function requireOptions(
  taker: string,
  options: object,
  names: Readonly<Record<string, true | OptionCheck>>,
): void {
  requireOptionsObject(taker, options);
  for (const name in options) {
    const check = names[name];
    if (check === true) continue;
    // What every object inherits is a function, or nothing.
    if (check === undefined || !Object.hasOwn(names, name)) {
      throw new TypeError(`Cannot use ${name}: ${taker} takes only ${Object.keys(names).join(", ")}`);
    }
    const value: unknown = Reflect.get(options, name);
    if (value !== undefined) check(name, value);
  }
}

/** Requires an object, whatever it holds: the options of a call that looks at each of them by itself. */
export function requireOptionsObject(taker: string, options: unknown): void {
  if (typeof options === "object" && options !== null && !Array.isArray(options)) return;
  throw new TypeError(`Cannot use the options of ${taker}: they must be an object, got ${typeName(options)}`);
}

/** Requires a function. */
export function requireFunction(field: string, value: unknown): void {
  if (typeof value !== "function") refuse(field, "a function", value);
}

/** Requires `true` or `false`. */
export function requireBoolean(field: string, value: unknown): void {
  if (typeof value !== "boolean") refuse(field, "true or false", value);
}

/** Requires an array. */
export function requireArray(field: string, value: unknown): void {
  if (!Array.isArray(value)) refuse(field, "an array", value);
}

/** Requires an array of strings. */
export function requireStrings(field: string, value: unknown): void {
  requireArray(field, value);
  Array.from(value as readonly unknown[], (each, index) => requireString(`${field}[${index}]`, each, 0, Infinity));
}

/** Requires one of these strings. */
export function requireOneOf(field: string, value: unknown, allowed: readonly unknown[]): void {
  if (allowed.includes(value)) return;
  const got = typeof value === "string" ? value : typeName(value);
  throw new TypeError(`Cannot use ${field}: it must be one of ${allowed.join(", ")}, got ${got}`);
}

/** Requires something that can be aborted and listened to. */
export function requireSignal(field: string, value: unknown): void {
  if (!hasMethods(value, "throwIfAborted", "addEventListener")) refuse(field, "an AbortSignal", value);
}

/** Requires a clock; its monotonic reading may be missing. */
export function requireClock(field: string, value: unknown): void {
  if (!hasMethods(value, "now", "setTimer")) refuse(field, "a clock with now() and setTimer()", value);
}

/** Requires a storage backend, by what everybody needs of it. */
export function requireBackend(field: string, value: unknown): void {
  if (!hasMethods(value, "get", "commit", "listen")) refuse(field, "a storage backend", value);
}

/** Requires what keys begin with: a string, or several. */
export function requireNamespace(field: string, value: unknown): void {
  const isKey = Array.isArray(value) && value.every((part) => typeof part === "string");
  if (typeof value !== "string" && !isKey) refuse(field, "a string or an array of strings", value);
}

/** Requires an object with these methods, described as `what`. */
export function requireMethods(what: string, ...methods: readonly string[]): OptionCheck {
  return (field, value) => {
    if (!hasMethods(value, ...methods)) refuse(field, what, value);
  };
}

function hasMethods(value: unknown, ...methods: readonly string[]): boolean {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  return methods.every((method) => typeof Reflect.get(value, method) === "function");
}

function refuse(field: string, rule: string, value: unknown): never {
  throw new TypeError(`Cannot use ${field}: it must be ${rule}, got ${typeName(value)}`);
}

/** The type of a value, for messages. */
export function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value;
}
