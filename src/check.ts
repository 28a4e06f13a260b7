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

/** The names of all options of a type: the compiler sees to it that none is missing. */
export type OptionNames<Options> = { readonly [Name in keyof Options]-?: true };

/**
 * Requires an object with no other options than these: one that is misspelt would do nothing, and say nothing.
 *
 * @throws {TypeError} When it is no object, or has another one.
 */
export function requireOptions(taker: string, options: object, names: Readonly<Record<string, true>>): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`Cannot use the options of ${taker}: they must be an object, got ${typeName(options)}`);
  }
  for (const name in options) {
    if (!Object.hasOwn(names, name)) {
      throw new TypeError(`Cannot use ${name}: ${taker} takes only ${Object.keys(names).join(", ")}`);
    }
  }
}

/** The type of a value, for messages. */
export function typeName(value: unknown): string {
  if (value === null) return "null";
  return Array.isArray(value) ? "an array" : typeof value;
}
