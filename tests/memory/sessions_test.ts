/** Which entries are a conversation: held to what they are by definition, after any changes. @module */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { Conversations, type SessionName } from "../../src/memory/conversations.ts";

/** More terms an entry than this, on average, make documents of a session that keys imply. */
const LONG = 64;

interface Entry {
  readonly session: SessionName | null;
  readonly order: number;
  readonly length: number;
}

/** A conversation, or an entry alone, by definition. */
function groupsOf(entries: ReadonlyMap<number, Entry>): number[][] {
  const sessions = Map.groupBy(entries, ([place, { session }]) => session?.name ?? place);
  return [...sessions.values()].flatMap((members) => {
    const places = members.toSorted(([a, { order: x }], [b, { order: y }]) => x - y || a - b).map(([place]) => place);
    const length = members.reduce((sum, [, each]) => sum + each.length, 0);
    const isImplied = members.every(([, { session }]) => session?.isImplied);
    return isImplied && length > LONG * members.length ? places.map((place) => [place]) : [places];
  });
}

const session = fc.option(fc.record({ name: fc.constantFrom("a", "b"), isImplied: fc.boolean() }));
const entry = fc.record({
  session,
  order: fc.integer({ min: 0, max: 3 }),
  length: fc.constantFrom(1, 20, LONG, LONG + 1, 500),
});

Deno.test("Conversations knows groups, lengths and neighbours after any additions and deletions", () => {
  const step = fc.record({ place: fc.integer({ min: 1, max: 9 }), entry: fc.option(entry, { freq: 3 }) });
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const conversations = new Conversations();
    const entries = new Map<number, Entry>();
    for (const { place, entry } of steps) {
      if (entries.delete(place)) conversations.delete(place);
      if (entry === null) continue;
      entries.set(place, entry);
      conversations.add(place, entry.session, { ...entry, sequence: place, key: "" }, entry.length);
    }
    const groups = groupsOf(entries);
    assertEquals(conversations.count, groups.length);
    assertEquals(conversations.hasNeighbours, groups.some((places) => places.length > 1));
    for (const places of groups) {
      const group = conversations.groups.at(places[0] ?? 0);
      const length = places.reduce((sum, place) => sum + (entries.get(place)?.length ?? 0), 0);
      assertEquals(conversations.groupLengths.at(group), length);
      for (const [index, place] of places.entries()) {
        assertEquals(conversations.groups.at(place), group);
        assertEquals(conversations.before.at(place), places[index - 1] ?? 0);
        assertEquals(conversations.after.at(place), places[index + 1] ?? 0);
      }
    }
  }));
});
