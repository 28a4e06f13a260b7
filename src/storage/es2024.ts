/** What is used of ECMAScript 2024 and Node 20 does not have yet. @module */

/** A promise, and what settles it. */
export interface Deferred<Value> {
  /** The promise. */
  readonly promise: Promise<Value>;
  /** Fulfils it. */
  readonly resolve: (value: Value) => void;
  /** Rejects it. */
  readonly reject: (reason: unknown) => void;
}

/** `Promise.withResolvers`. */
export function deferred<Value>(): Deferred<Value> {
  let resolve!: Deferred<Value>["resolve"]; // both are set before the constructor returns
  let reject!: Deferred<Value>["reject"];
  const promise = new Promise<Value>((...settlers) => [resolve, reject] = settlers);
  return { promise, resolve, reject };
}

/** `Array.fromAsync`. */
export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

/** `Map.groupBy`. */
export function groupBy<Item, Group>(items: Iterable<Item>, groupOf: (item: Item) => Group): Map<Group, Item[]> {
  const groups = new Map<Group, Item[]>();
  for (const item of items) {
    const group = groupOf(item);
    const members = groups.get(group);
    if (members) members.push(item);
    else groups.set(group, [item]);
  }
  return groups;
}
