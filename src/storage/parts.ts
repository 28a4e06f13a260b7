/** Long lists in parts, for steps that take no more than so many at once. @module */

/** The items in their order, up to `size` at a time; nothing of an empty list. */
export function* partsOf<Item>(items: readonly Item[], size: number): Generator<Item[]> {
  for (let from = 0; from < items.length; from += size) yield items.slice(from, from + size);
}
