/** Which entries belong to one conversation, and in which order. @module */

import { type Cohesion, ENOUGH_PAIRS, isLoose, NO_COHESION, plus } from "./cohesion.ts";
import { FlatNumbers } from "./flat_numbers.ts";

/** Where an entry stands in its conversation: by the first that differs. */
export interface Position {
  /** What the caller gave, or the time. */
  readonly order: number;
  /** Tells apart what a process wrote in one millisecond. */
  readonly sequence: number;
  readonly key: string;
}

/** The conversation that an entry says it belongs to. */
export interface SessionName {
  readonly name: string;
  /** Whether the key said so, not the caller. */
  readonly isImplied: boolean;
}

interface Session {
  readonly name: string;
  /** How many of its entries were given it, and not by their keys. */
  given: number;
  /** The places of its entries, in their order. */
  readonly places: number[];
  /** How many terms its entries have together. */
  length: number;
  /** Its group; `null` when it is no conversation and each of its entries is a group by itself. */
  group: number | null;
  /** How alike its neighbours were when that was last looked at. */
  cohesion: Cohesion;
}

// Keys such as "doc:17" say that everything belongs together. More entries than this are a folder, not a conversation,
// unless the caller gave the session: then what stands beside an entry says nothing about it. So are texts that are
// long on average: these are documents. Turns of a conversation have some 20 terms (LoCoMo), abstracts a hundred
// (Cranfield), and 450 abstracts that were taken for a conversation lost .01 to .05 nDCG@10. And so are those whose
// neighbours are hardly more alike than any two of them.
const MAX_IMPLIED = 500;
const MAX_IMPLIED_LENGTH = 64;

/**
 * Puts entries into groups: a group for each conversation, and one for each entry that is in none. Entries are known by
 * their places in the index, from 1 on, groups by small numbers that are used again.
 */
export class Conversations {
  /** How many terms each entry has, by place. */
  readonly entryLengths: FlatNumbers = new FlatNumbers();
  /** The group of each entry, by place. */
  readonly groups: FlatNumbers = new FlatNumbers();
  /** How many terms the entries of each group have together, by group. */
  readonly groupLengths: FlatNumbers = new FlatNumbers();
  /** The entry before each in its conversation, by place; 0 where there is none. */
  readonly before: FlatNumbers = new FlatNumbers();
  /** The entry after each in its conversation, by place; 0 where there is none. */
  readonly after: FlatNumbers = new FlatNumbers();
  readonly #sessions = new Map<string, Session>();
  // By place, for entries of a session.
  readonly #sessionAt: (Session | undefined)[] = [];
  readonly #positions: (Position | undefined)[] = [];
  readonly #isGiven: boolean[] = [];
  // By group.
  readonly #sizes: number[] = [];
  readonly #freeGroups: number[] = [];
  readonly #cohesionOf: (places: readonly number[]) => Cohesion;
  /** Sessions whose entries have changed since their cohesion was looked at. */
  readonly #unsettled = new Set<Session>();
  /** The cohesion of all those together that are too small to tell by themselves. */
  #small = NO_COHESION;
  #count = 0;
  #crowded = 0;

  /** Looks with `cohesionOf` at entries that follow one another. */
  constructor(cohesionOf: (places: readonly number[]) => Cohesion = () => NO_COHESION) {
    this.#cohesionOf = cohesionOf;
  }

  /** How many groups there are. */
  get count(): number {
    return this.#count;
  }

  /** All numbers of groups are smaller. */
  get limit(): number {
    return this.#sizes.length;
  }

  /**
   * Whether any entry has another one beside it. Settles which sessions are conversations: to be asked before a
   * ranking.
   */
  get hasNeighbours(): boolean {
    if (this.#unsettled.size > 0) this.#settle();
    return this.#crowded > 0;
  }

  /** The session that an entry belongs to, by its name. */
  sessionOf(place: number): string | null {
    return this.#sessionAt[place]?.name ?? null;
  }

  /** The places of the conversation that an entry is in, in their order; `null` when it is a group by itself. */
  conversationOf(place: number): readonly number[] | null {
    const session = this.#sessionAt[place];
    return session === undefined || session.group === null ? null : session.places;
  }

  /** Whether the conversation that an entry is in was given by the caller, and not implied by keys alone. */
  isGiven(place: number): boolean {
    return (this.#sessionAt[place]?.given ?? 0) > 0;
  }

  /** Adds an entry with `length` terms. */
  add(place: number, name: SessionName | null, position: Position, length: number): void {
    this.entryLengths.set(place, length);
    if (name === null) {
      this.#enter(place, this.#newGroup());
      return;
    }
    const session = this.#session(name.name);
    this.#sessionAt[place] = session;
    this.#positions[place] = position;
    this.#isGiven[place] = !name.isImplied;
    if (!name.isImplied) session.given++;
    const index = this.#indexFor(position, session.places);
    session.places.splice(index, 0, place);
    session.length += length;
    this.#enter(place, session.group ?? this.#newGroup());
    if (session.group !== null) {
      this.#link(session.places[index - 1], place);
      this.#link(place, session.places[index + 1]);
      if (session.places.length === 2) this.#crowded++;
    }
    this.#reconsider(session);
  }

  /** Removes an entry. */
  delete(place: number): void {
    this.#leave(place);
    const session = this.#sessionAt[place];
    const position = this.#positions[place];
    if (session === undefined || position === undefined) return;
    session.places.splice(this.#indexFor(position, session.places) - 1, 1);
    session.length -= this.entryLengths.at(place);
    if (this.#isGiven[place]) session.given--;
    this.#sessionAt[place] = undefined;
    this.#positions[place] = undefined;
    this.#link(this.before.at(place), this.after.at(place));
    this.#unlink(place);
    if (session.places.length === 0) this.#sessions.delete(session.name);
    else if (session.group !== null && session.places.length === 1) this.#crowded--;
    this.#reconsider(session);
  }

  #session(name: string): Session {
    let session = this.#sessions.get(name);
    if (session === undefined) {
      session = { name, given: 0, places: [], length: 0, group: this.#newGroup(), cohesion: NO_COHESION };
      this.#sessions.set(name, session);
    }
    return session;
  }

  /** Looks whether a session whose entries have changed still is what it was. */
  #reconsider(session: Session): void {
    this.#unsettled.add(session);
    this.#judge(session);
  }

  /** Looks at the neighbours in sessions whose entries have changed. */
  #settle(): void {
    const wasLoose = isLoose(this.#small);
    for (const session of this.#unsettled) {
      const { given, places, cohesion: before } = session;
      const isClear = given > 0 || places.length < 2 || isLarge(session);
      const now = session.cohesion = isClear ? NO_COHESION : this.#cohesionOf(places);
      if (before.pairs < ENOUGH_PAIRS) this.#small = plus(this.#small, before, -1);
      if (now.pairs < ENOUGH_PAIRS) this.#small = plus(this.#small, now, 1);
    }
    const changed = isLoose(this.#small) === wasLoose ? this.#unsettled : this.#sessions.values();
    for (const session of changed) this.#judge(session);
    this.#unsettled.clear();
  }

  /** Makes a session what it is: a conversation, or a folder. */
  #judge(session: Session): void {
    const { given, places, cohesion } = session;
    const evidence = cohesion.pairs >= ENOUGH_PAIRS ? cohesion : this.#small;
    const isFolder = given === 0 && places.length > 1 && (isLarge(session) || isLoose(evidence));
    if (isFolder && session.group !== null) this.#scatter(session);
    else if (!isFolder && session.group === null) this.#gather(session);
  }

  /** Makes each entry of a session a group by itself. */
  #scatter(session: Session): void {
    this.#crowded--;
    session.group = null;
    for (const place of session.places) {
      this.#move(place, this.#newGroup());
      this.#unlink(place);
    }
  }

  /** Makes a session one group again. */
  #gather(session: Session): void {
    if (session.places.length > 1) this.#crowded++;
    session.group = this.#newGroup();
    for (const [index, place] of session.places.entries()) {
      this.#move(place, session.group);
      this.#link(session.places[index - 1], place);
    }
  }

  #move(place: number, group: number): void {
    this.#leave(place);
    this.#enter(place, group);
  }

  #newGroup(): number {
    this.#count++;
    const group = this.#freeGroups.pop() ?? this.#sizes.length;
    this.groupLengths.set(group, 0);
    this.#sizes[group] = 0;
    return group;
  }

  #enter(place: number, group: number): void {
    this.groups.set(place, group);
    this.groupLengths.set(group, this.groupLengths.at(group) + this.entryLengths.at(place));
    this.#sizes[group] = (this.#sizes[group] ?? 0) + 1;
  }

  #leave(place: number): void {
    const group = this.groups.at(place);
    this.groupLengths.set(group, this.groupLengths.at(group) - this.entryLengths.at(place));
    const size = (this.#sizes[group] ?? 0) - 1;
    this.#sizes[group] = size;
    if (size > 0) return;
    this.#count--;
    this.#freeGroups.push(group);
  }

  /** Behind how many of these an entry with this position stands, itself among them. */
  #indexFor(position: Position, places: readonly number[]): number {
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(position, this.#positions[places[middle] ?? 0])) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Makes two entries neighbours, or one of them the first or the last. */
  #link(left = 0, right = 0): void {
    if (left !== 0) this.after.set(left, right);
    if (right !== 0) this.before.set(right, left);
  }

  #unlink(place: number): void {
    this.before.set(place, 0);
    this.after.set(place, 0);
  }
}

/** Whether a session has more entries than a conversation, or longer ones. */
function isLarge({ places: { length: count }, length }: Session): boolean {
  return count > MAX_IMPLIED || length > MAX_IMPLIED_LENGTH * count;
}

function isBefore(a: Position, b: Position | undefined): boolean {
  // deno-coverage-ignore -- the compiler asks for it: an entry of a session has a position
  if (b === undefined) return false;
  if (a.order !== b.order) return a.order < b.order;
  return a.sequence === b.sequence ? a.key < b.key : a.sequence < b.sequence;
}
