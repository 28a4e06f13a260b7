import { assert } from "@std/assert";
import { after, randomWalk, successors } from "../../src/testing/breaker_model.ts";
import { INITIAL_WORLD, processOf, type Step, type Wish, type World } from "../../src/testing/breaker_world.ts";
import { checkRecovery, checkStep } from "./breaker_invariants.ts";
import { keyOf } from "./breaker_world_key.ts";

// Two faults at a time: a crash, a message lost, late or doubled. Enough for every race that was ever found here.
const MAX_FAULTS = 2;
const MAX_GENERATION = 4;
const WORLDS_A_START = 20_000;
const MIN_WORLDS = 100_000;

const at = (by: number) => ({
  trip: [{ type: "trip", by }] as Step[],
  read: [{ type: "read", by }, { type: "execute", by }, { type: "reply", by }] as Step[],
  wish: (wish: Wish) => [{ type: "wish", by, wish }, { type: "execute", by }, { type: "reply", by }] as Step[],
});
const TICK: Step = { type: "tick" };

const OPEN = [...at(0).trip, ...at(0).read, ...at(0).wish("push"), ...at(1).read, ...at(2).read];
const OPEN_TIME_OVER = [...OPEN, TICK, TICK];
const ONE_PROBE = [...OPEN_TIME_OVER, ...at(0).wish("probe"), ...at(1).read, ...at(2).read];
const TWO_PROBES = [...ONE_PROBE, ...at(1).wish("probe")];

/** Where the exploration starts: the deeper ones would be met late from the first alone. */
const STARTS: { readonly [name: string]: readonly Step[] } = {
  "nothing has happened": [],
  "two have tripped at once": [...at(0).trip, ...at(1).trip],
  "the open time is over": OPEN_TIME_OVER,
  "one probe is under way": ONE_PROBE,
  "all probes are under way": TWO_PROBES,
  "one goes on alone while another opens the breaker": [
    ...at(0).trip,
    TICK,
    TICK,
    ...at(1).trip,
    ...at(1).read,
    ...at(1).wish("push"),
    { type: "wish", by: 0, wish: "probe" },
    { type: "lose", by: 0 },
  ],
  "an old answer is on its way": [
    ...at(1).trip,
    ...at(1).read,
    ...at(1).wish("push"),
    { type: "read", by: 0 },
    { type: "execute", by: 0 },
    { type: "double", by: 0 },
    { type: "reply", by: 0 },
    ...at(1).wish("reset"),
    ...at(0).read,
  ],
  "one probe has succeeded": [...ONE_PROBE, ...at(0).wish("succeed"), ...at(1).read],
};

function worldAfter(steps: readonly Step[]): World {
  return steps.reduce((world, step) => {
    const next = after(world, step);
    assert(next, `the step ${JSON.stringify(step)} cannot be taken`);
    checkStep(world, next);
    return next;
  }, INITIAL_WORLD);
}

/** Checks every world that can be reached from a start, the nearest first, up to a number of them. */
function explore(start: World, limit: number): Set<string> {
  const seen = new Set([keyOf(start)]);
  const queue: World[] = [start];
  for (let head = 0; head < queue.length && seen.size < limit; head++) {
    for (const [, next] of successors(queue[head] ?? start, MAX_FAULTS)) {
      checkStep(queue[head] ?? start, next);
      if (next.processes.some(({ replica }) => replica.view.generation > MAX_GENERATION)) continue;
      const key = keyOf(next);
      if (seen.has(key)) continue;
      seen.add(key);
      checkRecovery(next, seen.size % next.processes.length);
      queue.push(next);
    }
  }
  return seen;
}

Deno.test("the breaker keeps its promises in all worlds that three processes with faults can reach, 100,000 and more", () => {
  const seen = new Set<string>();
  for (const steps of Object.values(STARTS)) {
    for (const key of explore(worldAfter(steps), WORLDS_A_START)) seen.add(key);
  }
  assert(seen.size >= MIN_WORLDS, `only ${seen.size} worlds`);
});

Deno.test("the breaker keeps its promises on long walks with many faults", () => {
  for (let seed = 1; seed <= 150; seed++) {
    let world = INITIAL_WORLD;
    for (const step of randomWalk(seed, 200, 50)) {
      const next = after(world, step);
      assert(next);
      checkStep(world, next);
      world = next;
    }
    for (const by of world.processes.keys()) checkRecovery(world, by);
  }
});

Deno.test("the walks go through every kind of state and reach many generations", () => {
  const kinds = new Set<string>();
  let generations = 0;
  for (let seed = 1; seed <= 20; seed++) {
    let world = INITIAL_WORLD;
    for (const step of randomWalk(seed, 200, 50)) {
      world = after(world, step) ?? world;
      const { view } = processOf(world, 0).replica;
      kinds.add(view.kind);
      generations = Math.max(generations, view.generation);
    }
  }
  assert(kinds.size === 4 && generations >= 10, `${[...kinds]} ${generations}`);
});
