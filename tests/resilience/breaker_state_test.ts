import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import { decodeBreaker, encodeBreaker } from "../../src/resilience/breaker_record.ts";
import {
  type BreakerEvent,
  type BreakerState,
  INITIAL_STATE,
  mayProbe,
  openingsOf,
  transition,
} from "../../src/resilience/breaker_state.ts";

const RULES = { halfOpenMaxCalls: 2, successThreshold: 2 };
const OPEN: BreakerState = {
  kind: "open",
  generation: 1,
  revision: 0,
  by: "a",
  openForMs: 100,
  sinceMs: 0,
  openings: 1,
};

const probe = (id: string): BreakerEvent => ({ type: "probe", id, leaseMs: 50, rules: RULES, by: id });
const ended = (type: "probe_succeeded" | "probe_failed" | "probe_dropped", id: string, generation = 2) =>
  ({ type, id, generation, rules: RULES, openForMs: 200, by: `end of ${id}` }) as const;

/** The state after events that happen at the same time. */
const after = (state: BreakerState, nowMs: number, ...events: BreakerEvent[]) =>
  events.reduce((each, event) => transition(each, event, nowMs), state);

Deno.test("transition() opens a closed breaker that trips in its generation, and no other", () => {
  const trip = (generation: number): BreakerEvent => ({ type: "trip", generation, openForMs: 100, by: "a" });
  assertEquals(transition(INITIAL_STATE, trip(0), 0), OPEN);
  assertStrictEquals(transition(INITIAL_STATE, trip(1), 0), INITIAL_STATE);
  assertStrictEquals(transition(OPEN, trip(1), 0), OPEN);
});

Deno.test("transition() lets probes through from the end of the open time on, as many as there are places", () => {
  assertStrictEquals(transition(OPEN, probe("p"), 99), OPEN);
  const one = transition(OPEN, probe("p"), 100);
  assertEquals([one.kind, one.generation, one.revision], ["half_open", 2, 0]);
  const two = transition(one, probe("q"), 100);
  assertEquals([two.generation, two.revision], [2, 1]);
  assertStrictEquals(transition(two, probe("r"), 100), two);
  assertStrictEquals(transition(one, probe("p"), 100), one);
});

Deno.test("transition() closes after enough successes and opens after one failure, for longer", () => {
  const two = after(OPEN, 100, probe("p"), probe("q"));
  const closed = after(two, 110, ended("probe_succeeded", "p"), ended("probe_succeeded", "q"));
  assertEquals([closed.kind, closed.generation], ["closed", 3]);
  const opened = after(two, 110, ended("probe_succeeded", "p"), ended("probe_failed", "q"));
  assert(opened.kind === "open");
  assertEquals([opened.generation, opened.openForMs, opened.sinceMs, opened.openings], [3, 200, 110, 2]);
});

Deno.test("transition() gives the place of a dropped probe to another one", () => {
  const two = after(OPEN, 100, probe("p"), probe("q"));
  const dropped = transition(two, ended("probe_dropped", "p"), 100);
  assert(mayProbe(dropped, RULES, 100));
  assert(dropped.kind === "half_open" && dropped.successes === 0);
  assertEquals([dropped.generation, dropped.revision, dropped.probes.map(({ id }) => id)], [2, 2, ["q"]]);
});

Deno.test("transition() ignores the end of a probe that it does not know, twice the same, or of another generation", () => {
  const one = transition(OPEN, probe("p"), 100);
  assertStrictEquals(transition(one, ended("probe_succeeded", "x"), 100), one);
  assertStrictEquals(transition(one, ended("probe_failed", "p", 1), 100), one);
  const once = transition(one, ended("probe_succeeded", "p"), 100);
  assertStrictEquals(transition(once, ended("probe_succeeded", "p"), 100), once);
});

Deno.test("transition() opens when the lease of a probe is over, and lets nobody through before that is noticed", () => {
  const one = transition(OPEN, probe("p"), 100);
  const expire: BreakerEvent = { type: "expire", openForMs: 200, by: "e" };
  assertStrictEquals(transition(one, expire, 149), one);
  assertStrictEquals(transition(one, probe("q"), 150), one);
  const two = transition(one, probe("q"), 149);
  assertEquals(two.kind === "half_open" && two.probes.length, 2, "a millisecond before, there is a place");
  assertEquals(transition(one, expire, 150), {
    kind: "open",
    generation: 3,
    revision: 0,
    by: "e",
    openForMs: 200,
    sinceMs: 150,
    openings: 2,
  });
});

Deno.test("transition() isolates from every state, and resets from every state", () => {
  const isolate: BreakerEvent = { type: "isolate", reason: "r", by: "i" };
  for (const state of [INITIAL_STATE, OPEN, transition(OPEN, probe("p"), 100)]) {
    const isolated = transition(state, isolate, 100);
    assertEquals([isolated.kind, isolated.generation], ["isolated", state.generation + 1]);
    assertStrictEquals(transition(isolated, probe("q"), 1e9), isolated);
    assertStrictEquals(transition(isolated, isolate, 100), isolated);
    const again = transition(isolated, { ...isolate, reason: "another" }, 100);
    assert(again.kind === "isolated" && again.reason === "another" && again.generation === state.generation + 2);
    assertEquals(transition(isolated, { type: "reset", by: "r" }, 100).kind, "closed");
  }
  assertStrictEquals(transition(INITIAL_STATE, { type: "reset", by: "r" }, 0), INITIAL_STATE);
});

const anyEvent: fc.Arbitrary<BreakerEvent> = fc.record({
  type: fc.constantFrom(
    "trip",
    "probe",
    "probe_succeeded",
    "probe_failed",
    "probe_dropped",
    "expire",
    "isolate",
    "reset",
  ),
  generation: fc.nat(4),
  id: fc.constantFrom("p", "q", "r"),
  openForMs: fc.constantFrom(50, 100),
  leaseMs: fc.constantFrom(50, 100),
  rules: fc.constant(RULES),
  reason: fc.constantFrom("", "r"),
  by: fc.string(),
});

Deno.test("transition() raises generation or revision by one when it changes anything, whatever happens", () => {
  const steps = fc.array(fc.record({ event: anyEvent, ms: fc.nat(60) }), { maxLength: 40 });
  fc.assert(fc.property(steps, (steps) => {
    let state: BreakerState = INITIAL_STATE;
    let nowMs = 0;
    for (const { event, ms } of steps) {
      nowMs += ms;
      const next = transition(state, event, nowMs);
      if (next === state) continue;
      const rises = next.kind === state.kind && next.kind !== "isolated"
        ? [state.generation, state.revision + 1]
        : [state.generation + 1, 0];
      assertEquals([next.generation, next.revision], rises);
      state = next;
    }
  }));
});

Deno.test("decodeBreaker() reads what encodeBreaker() wrote, with durations counted from now", () => {
  const half = after(OPEN, 100, probe("p"), probe("q"), ended("probe_succeeded", "p"));
  const isolated = transition(half, { type: "isolate", reason: "r", by: "i" }, 100);
  for (const state of [INITIAL_STATE, OPEN, half, isolated]) {
    const read = decodeBreaker(JSON.parse(JSON.stringify(encodeBreaker(state))), 7);
    const times = JSON.parse(JSON.stringify(state), (name, value) => name === "sinceMs" ? 7 : value);
    assertEquals(read, times);
  }
});

Deno.test("decodeBreaker() passes over unknown fields, and takes nothing else for a state", () => {
  assertEquals(decodeBreaker({ ...encodeBreaker(OPEN), v: 3, more: { a: [1] } }, 0), OPEN);
  const isolated = { v: 1, kind: "isolated", generation: 1, revision: 0, by: "i" };
  assertEquals(decodeBreaker(isolated, 0), { kind: "isolated", generation: 1, revision: 0, by: "i", reason: "" });
  const broken = [
    null,
    "closed",
    [],
    {},
    { ...encodeBreaker(OPEN), kind: "ajar" },
    { ...encodeBreaker(OPEN), generation: -1 },
    { ...encodeBreaker(OPEN), generation: 1.5 },
    { ...encodeBreaker(OPEN), openForMs: "long" },
    { ...encodeBreaker(OPEN), openings: -1 },
    { v: 1, kind: "half_open", generation: 1, revision: 0, by: "", probes: [], successes: -1, openings: 1 },
    { v: 1, kind: "half_open", generation: 1, revision: 0, by: "", probes: {}, successes: 0, openings: 1 },
    { v: 1, kind: "half_open", generation: 1, revision: 0, by: "", probes: [{}], successes: 0, openings: 1 },
  ];
  for (const value of broken) assertEquals(decodeBreaker(value, 0), null);
});

Deno.test("INITIAL_STATE is closed, and of the first generation", () => {
  assertEquals(INITIAL_STATE, { kind: "closed", generation: 0, revision: 0, by: "" });
});

Deno.test("transition() raises the revision by one when a probe succeeds and more are needed", () => {
  const two = after(OPEN, 100, probe("p"), probe("q"));
  const once = transition(two, ended("probe_succeeded", "p"), 100);
  assert(once.kind === "half_open");
  assertEquals([once.generation, once.revision, once.successes, once.probes.length], [2, 2, 1, 1]);
});

Deno.test("mayProbe() lets no more through at once than there are places, and so many in all as must succeed", () => {
  const rules = { halfOpenMaxCalls: 1, successThreshold: 3 };
  const one = transition(OPEN, { type: "probe", id: "p", leaseMs: 50, rules, by: "p" }, 100);
  assertEquals(mayProbe(one, rules, 100), false);
  const end = { type: "probe_succeeded", id: "p", generation: 2, rules, by: "p" } as const;
  assertEquals(mayProbe(transition(one, end, 100), rules, 100), true);
  assertEquals(mayProbe(INITIAL_STATE, rules, 100), false);
  const enough = after(OPEN, 100, probe("p"), probe("q"), ended("probe_succeeded", "p"));
  assertEquals(mayProbe(enough, RULES, 100), false, "one has succeeded, and one is under way");
});

Deno.test("openingsOf() counts since the breaker was closed, and is 0 where it is closed or isolated", () => {
  const half = transition(OPEN, probe("p"), 100);
  const opened = transition(half, ended("probe_failed", "p"), 100);
  const isolated = transition(opened, { type: "isolate", reason: "r", by: "i" }, 100);
  assertEquals([INITIAL_STATE, OPEN, half, opened, isolated].map(openingsOf), [0, 1, 1, 2, 0]);
});
