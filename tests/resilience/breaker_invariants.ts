/** What must hold in every world that the breaker's model can reach. @module */

import { assert } from "@std/assert";
import { type BreakerState, transition } from "../../src/resilience/breaker_state.ts";
import { after } from "../../src/testing/breaker_model.ts";
import { clockOf, OPEN_MS, processOf, RULES, storedState, type World } from "../../src/testing/breaker_world.ts";

const PROCESSES = [0, 1, 2];

/** Throws when the step from one world to the next breaks a promise. */
export function checkStep(before: World, next: World): void {
  const old = storedState(before);
  const stored = storedState(next);
  if (stored && next.version !== before.version) checkWrite(before, old, stored);
  if (stored?.kind === "half_open") {
    assert(stored.probes.length <= RULES.halfOpenMaxCalls, "the record has more leases than the limit");
    assert(stored.probes.length + stored.successes <= RULES.halfOpenMaxCalls, "a cycle has more probes than the limit");
  }
  checkLiveProbes(next);
  for (const by of PROCESSES) {
    const { view, stored: known } = processOf(next, by).replica;
    const earlier = processOf(before, by);
    if (earlier.lives === processOf(next, by).lives) {
      assert(known.generation >= earlier.replica.stored.generation, "what is known to be stored falls back");
      const wasAlone = earlier.replica.view.generation > earlier.replica.stored.generation;
      assert(wasAlone || view.generation >= earlier.replica.view.generation, "the generation falls");
    }
    checkStaleOutcomes(view, clockOf(next, by));
  }
}

/** Calls that run as probes of the stored generation, under a lease that lasts still, are never more than the limit. */
function checkLiveProbes(world: World): void {
  const stored = storedState(world);
  if (stored?.kind !== "half_open") return;
  const live = PROCESSES.filter((by) => {
    const { probe } = processOf(world, by);
    return probe && probe.generation === stored.generation && probe.endsAtMs > clockOf(world, by) &&
      stored.probes.some(({ id }) => id === probe.id);
  });
  assert(live.length <= RULES.halfOpenMaxCalls, "more live probes than the limit");
}

function checkWrite(before: World, old: BreakerState | null, stored: BreakerState): void {
  if (old === null) return;
  const sameTransition = stored.generation === old.generation && stored.by === old.by;
  // The same name within a generation: each generation has one author, and so one event.
  assert(stored.generation > old.generation || sameTransition, "the stored generation does not rise");
  assert(!sameTransition || stored.revision > old.revision, "the stored revision does not rise");
  if (old.kind === "open" && stored.kind === "half_open" && stored.generation === old.generation + 1) {
    const bornAtMs = before.births.get(old.by) ?? Infinity;
    assert(before.nowMs - bornAtMs >= OPEN_MS, "a probe before the open time is over");
  }
}

function checkStaleOutcomes(view: BreakerState, nowMs: number): void {
  const ids = view.kind === "half_open" ? view.probes.map(({ id }) => id) : ["any"];
  for (const id of ids) {
    const common = { generation: view.generation - 1, id, by: "late", rules: RULES, openForMs: OPEN_MS };
    for (const type of ["probe_succeeded", "probe_failed", "probe_dropped", "trip"] as const) {
      assert(
        transition(view, { type, ...common }, nowMs) === view,
        "an outcome of an older generation changes something",
      );
    }
  }
}

// A lease to wait for, an open time, a place among the probes and its end, twice, and a reset: far less than this.
const MAX_RECOVERY_ROUNDS = 20;

/** Requires that, with the store up and one process at work whose calls go well, the breaker closes in the end. */
export function checkRecovery(world: World, by: number): void {
  let now = world;
  for (let round = 0; round < MAX_RECOVERY_ROUNDS; round++) {
    now = settled(now, by);
    now = settled(after(now, { type: "read", by }) ?? now, by);
    const { view } = processOf(now, by).replica;
    if (view.kind === "closed" && (storedState(now)?.kind ?? "closed") === "closed") return;
    now = acted(now, by) ?? after(now, { type: "tick" }) ?? now;
  }
  assert(false, "the breaker does not close any more");
}

/** The world once the message of a process has come and gone. */
function settled(world: World, by: number): World {
  const executed = after(world, { type: "execute", by }) ?? world;
  return after(executed, { type: "reply", by }) ?? executed;
}

function acted(world: World, by: number): World | null {
  for (const wish of ["push", "succeed", "expire", "probe"] as const) {
    const wished = after(world, { type: "wish", by, wish });
    if (wished) return wished;
  }
  const { view } = processOf(world, by).replica;
  return view.kind === "isolated" ? after(world, { type: "wish", by, wish: "reset" }) : null;
}
