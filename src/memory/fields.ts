/** Filters on fields: by an index of their short values, and by the values themselves. @module */

import { typeName } from "../check.ts";
import type { JsonValue } from "../storage/json.ts";
import type { FieldValue, SearchOptions } from "./model.ts";
import { placeOf } from "./postings.ts";
import type { SearchIndex } from "./search_index.ts";
import type { Token } from "./text.ts";

// Longer values are not in the index: nearly each of them would be a term of its own.
const MAX_INDEXED = 64;

// More values than these are looked up together.
const MAX_LOOKED_UP = 8;

/** What the index knows of the fields of a value. */
export function fieldTokens(value: JsonValue): Token[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([name, field]) =>
    (Array.isArray(field) ? field : [field]).filter(isFieldValue).map((each) => fieldTerm(name, each))
      .filter((term) => term !== null).map((term) => ({ form: term, term }))
  );
}

/** A checked filter on fields. */
export class FieldFilter {
  readonly #fields: readonly (readonly [name: string, values: ReadonlySet<FieldValue>])[];

  /**
   * Checks what was asked for.
   *
   * @throws {TypeError} When a value is none that fields can be compared with.
   */
  constructor(where: SearchOptions["where"] = {}) {
    if (typeof where !== "object" || where === null || Symbol.iterator in where) { // a Map would let everything pass
      throw new TypeError(`Cannot use where: it must be an object of fields, got ${typeName(where)}`);
    }
    this.#fields = Object.entries(where).map(([name, given]): [string, ReadonlySet<FieldValue>] => {
      const values: readonly unknown[] = Array.isArray(given) ? Array.from(given) : [given];
      if (!values.every(isFieldValue)) {
        throw new TypeError(
          `Cannot use where.${name}: it must be a string, number, boolean or null, or a list of these`,
        );
      }
      return [name, new Set(values)];
    });
  }

  /** Tells of places whether their entries can pass, by what the index knows of them now. */
  mayPassIn(index: SearchIndex): (place: number) => boolean {
    const holders = this.#fields.map(([name, values]) => holdersOf(index, name, values)).filter((each) =>
      each !== null
    );
    return (place) => holders.every((holds) => holds(place));
  }

  /** Whether a value passes. */
  passes(value: JsonValue): boolean {
    if (this.#fields.length === 0) return true;
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    const fields = new Map(Object.entries(value));
    return this.#fields.every(([name, values]) => {
      const field = fields.get(name);
      return (Array.isArray(field) ? field : [field]).some((each) => isFieldValue(each) && values.has(each));
    });
  }
}

/** Tells who holds one of these values in a field; `null` when a value is too long for the index to know. */
function holdersOf(
  index: SearchIndex,
  name: string,
  values: ReadonlySet<FieldValue>,
): ((place: number) => boolean) | null {
  const terms = Array.from(values, (value) => fieldTerm(name, value)).filter((term) => term !== null);
  if (terms.length < values.size) return null;
  const lists = terms.map((term) => index.fields.get(term)?.postings).filter((list) => list !== undefined);
  if (lists.length <= MAX_LOOKED_UP) return (place) => lists.some((list) => list.has(place));
  const places = new Set(lists.flatMap((list) => Array.from(list.packed.subarray(0, list.size), placeOf)));
  return (place) => places.has(place);
}

/** The term of a field's value; `null` when it is too long to be one. */
function fieldTerm(name: string, value: FieldValue): string | null {
  const text = JSON.stringify(value);
  return text.length <= MAX_INDEXED ? `${name}\0${text}` : null;
}

function isFieldValue(value: unknown): value is FieldValue {
  return value === null || ["string", "number", "boolean"].includes(typeof value);
}
