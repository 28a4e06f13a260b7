/** The commands of the property test: what may happen to a backend, as plain data that fast-check makes and shrinks. @module */

import fc from "fast-check";
import type { MessageState } from "../../src/storage/backend.ts";
import type { JsonValue } from "../../src/storage/json.ts";
import type { Key } from "../../src/storage/key.ts";

/** One operation of a batch. Leases and versions are found when the command runs; durations are in ticks. */
export type Step =
  | { readonly type: "set"; readonly key: Key; readonly value: JsonValue; readonly expires: number | null }
  | { readonly type: "delete"; readonly key: Key }
  | {
    readonly type: "enqueue";
    readonly queue: Key;
    readonly id: string;
    readonly value: JsonValue;
    readonly priority: number;
    readonly delay: number | null;
    readonly maxAttempts: number;
    readonly capacity: number;
  }
  | { readonly type: "ack"; readonly lease: number }
  | { readonly type: "retry"; readonly lease: number; readonly delay: number | null; readonly error: string | null }
  | { readonly type: "bury"; readonly lease: number; readonly error: string | null }
  | { readonly type: "extend"; readonly lease: number; readonly duration: number }
  | { readonly type: "redrive" | "purge"; readonly queue: Key; readonly id: string };

/** What a batch requires of a record: the version that it has, one that it had, or that there is none. */
export interface Requirement {
  readonly key: Key;
  readonly version: "current" | "former" | "none";
}

/** One call, or a step of time. */
export type Command =
  | { readonly type: "commit"; readonly checks: readonly Requirement[]; readonly steps: readonly Step[] }
  | { readonly type: "claim"; readonly queue: Key; readonly duration: number; readonly limit: number }
  | { readonly type: "recover"; readonly queue: Key | null }
  | { readonly type: "messages"; readonly queue: Key; readonly state: MessageState; readonly limit: number }
  | { readonly type: "stats"; readonly queue: Key }
  | { readonly type: "queues" | "count" | "clear"; readonly prefix: Key }
  | {
    readonly type: "list";
    readonly prefix: Key;
    readonly reverse: boolean;
    readonly after: Key | null;
    readonly limit: number;
  }
  | { readonly type: "get"; readonly keys: readonly Key[] }
  | { readonly type: "advance"; readonly ticks: number }
  | { readonly type: "reopen" };

/** A command and which of the open handles it goes through. */
export type Call = Command & { readonly handle: number };

/** Few, so that they meet; alike, so that they are confused where they can be. */
export const KEYS: readonly Key[] = [["a"], ["a", "b"], ["a", "b", "\u{1f600}"], ["a", "b", "\uffff"], ["a", "b-"], [
  "b",
  "",
]];

/** The queues; that of the first message id is the one whose dedupe window ends during a run. */
export const QUEUES: readonly [Key, Key] = [["q"], ["q", "r"]];

/** The ids of messages: that of a short dedupe window often, as much has to happen to it until it is forgotten. */
export const IDS: readonly string[] = ["window", "window", "window", "none", "long", "long:2"];

const PREFIXES: readonly Key[] = [[], ["a"], ["a", "b"], ["q"], ["z"]];

const key = fc.constantFrom(...KEYS);
const queue = fc.constantFrom(...QUEUES);
const id = fc.constantFrom(...IDS);
const prefix = fc.constantFrom(...PREFIXES);
const duration = fc.integer({ min: 1, max: 4 });
const lease = fc.nat({ max: 5 });
const error = fc.option(fc.constantFrom("", "why", "\0\u{1f600}"), { freq: 2 });
// As JSON text carries it, so that what comes back can be compared with what was given.
const value = fc.jsonValue({ maxDepth: 2 }).map((given): JsonValue => JSON.parse(JSON.stringify(given)));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant("set"), key, value, expires: fc.option(duration) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("delete"), key }) },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant("enqueue"),
      queue,
      id,
      value,
      priority: fc.constantFrom(0, 5, 9),
      delay: fc.option(duration, { freq: 2 }),
      maxAttempts: fc.integer({ min: 1, max: 3 }),
      capacity: fc.constantFrom(1, 2, 3, 100, 100, 100),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("ack"), lease }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant("retry"), lease, delay: fc.option(duration, { freq: 2 }), error }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("bury"), lease, error }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("extend"), lease, duration }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constantFrom("redrive", "purge"), queue, id }) },
);

const requirement: fc.Arbitrary<Requirement> = fc.record({
  key,
  version: fc.constantFrom("current", "current", "current", "former", "none"),
});

const limit = fc.constantFrom(Infinity, 0, 1, 2, 3);

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      type: fc.constant("commit"),
      checks: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(requirement, { maxLength: 2 })),
      steps: fc.array(step, { maxLength: 4 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ type: fc.constant("claim"), queue, duration, limit: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 6, arbitrary: fc.record({ type: fc.constant("advance"), ticks: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("recover"), queue: fc.option(queue, { freq: 1 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("messages"),
      queue,
      state: fc.constantFrom("ready", "delayed", "leased", "dead"),
      limit,
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("stats"), queue }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constantFrom("queues", "count", "clear"), prefix }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant("list"), prefix, reverse: fc.boolean(), after: fc.option(key), limit }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("get"), keys: fc.array(key, { maxLength: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("reopen") }) },
);

/** A life of a backend, of at most so many calls. */
export function calls(maxLength: number): fc.Arbitrary<readonly Call[]> {
  const call = fc.tuple(command, fc.nat({ max: 2 })).map(([made, handle]): Call => ({ ...made, handle }));
  return fc.array(call, { minLength: 1, maxLength, size: "max" });
}
