/** The model of a fleet that shares a breaker: every step that network, clocks and chance can take. @module */

import { decodeBreaker, encodeBreaker } from "../resilience/breaker_record.ts";
import { afterRead, afterWrite, INITIAL_REPLICA, isAhead } from "../resilience/breaker_replica.ts";
import {
  type BreakerEvent,
  type BreakerState,
  leaseEndsInMs,
  mayProbe,
  transition,
} from "../resilience/breaker_state.ts";
import {
  type Answer,
  clockOf,
  INITIAL_WORLD,
  type Message,
  OPEN_MS,
  type Process,
  processOf,
  RULES,
  type Step,
  type Stray,
  TICK_MS,
  type Wish,
  type World,
} from "./breaker_world.ts";
import { randomIntegers } from "./random.ts";

const WISHES: readonly Wish[] = ["probe", "succeed", "fail", "drop", "expire", "push", "isolate", "reset"];

/** Every step that can be taken, with the world after it. */
export function successors(world: World, maxFaults: number): [Step, World][] {
  const found: [Step, World][] = [];
  const take = (step: Step) => {
    const next = after(world, step);
    if (next !== null) found.push([step, next]);
  };
  take({ type: "tick" });
  take({ type: "stray" });
  for (let by = 0; by < world.processes.length; by++) {
    for (const type of ["trip", "read", "execute", "reply"] as const) take({ type, by });
    for (const wish of WISHES) take({ type: "wish", by, wish });
    if (world.faults >= maxFaults) continue;
    for (const type of ["lose", "delay", "double", "crash"] as const) take({ type, by });
  }
  return found;
}

/** The world after a step; `null` when the step cannot be taken. */
export function after(world: World, step: Step): World | null {
  switch (step.type) {
    case "tick":
      return { ...world, nowMs: world.nowMs + TICK_MS };
    case "stray":
      return world.stray && afterStray(world, world.stray);
    case "trip":
      return afterTrip(world, step.by);
    case "read":
      return processOf(world, step.by).message
        ? null
        : send(world, step.by, { type: "read", event: null, answer: null });
    case "wish":
      return afterWish(world, step.by, step.wish);
    case "execute": {
      const { message } = processOf(world, step.by);
      if (message === null || message.answer) return null;
      const [executed, answer] = execute(world, message);
      return update(executed, step.by, { message: { ...message, answer } });
    }
    case "reply": {
      const { message } = processOf(world, step.by);
      return message?.answer
        ? deliver(update(world, step.by, { message: null }), step.by, message, message.answer)
        : null;
    }
    case "lose":
      return giveUp(world, step.by);
    case "delay":
    case "double": {
      const { message, lives: life } = processOf(world, step.by);
      if (message === null || world.stray) return null;
      const strayed = { ...world, stray: { by: step.by, life, message } };
      return step.type === "delay" ? giveUp(strayed, step.by) : { ...strayed, faults: world.faults + 1 };
    }
    case "crash": {
      const { names, lives } = processOf(world, step.by);
      const fresh = { replica: INITIAL_REPLICA, message: null, probe: null, names, lives: lives + 1 };
      return update({ ...world, faults: world.faults + 1 }, step.by, fresh);
    }
  }
}

/** The steps of a walk by chance: the same for the same seed, with so many faults at most. */
export function randomWalk(seed: number, length: number, maxFaults: number): Step[] {
  const steps: Step[] = [];
  let world = INITIAL_WORLD;
  const random = randomIntegers(seed % 2147483646 + 1);
  for (let count = 0; count < length; count++) {
    const choices = successors(world, maxFaults);
    const [step, next] = choices[random(choices.length)] ?? [{ type: "tick" }, world];
    steps.push(step);
    world = next;
  }
  return steps;
}

function update(world: World, by: number, change: Partial<Process>): World {
  const processes = world.processes.map((each, index) => index === by ? { ...each, ...change } : each);
  return { ...world, processes };
}

function send(world: World, by: number, message: Message): World {
  return update(world, by, { message });
}

function afterTrip(world: World, by: number): World | null {
  const { replica, names, lives } = processOf(world, by);
  const { generation, kind } = replica.view;
  if (kind !== "closed") return null;
  const name = `${by}.${lives}.${names}`;
  return believe(update(world, by, { names: names + 1 }), by, {
    type: "trip",
    generation,
    openForMs: OPEN_MS,
    by: name,
  });
}

/** The process goes by an event without asking the store: it has tripped, or cannot reach it. */
function believe(world: World, by: number, event: BreakerEvent): World {
  const { replica } = processOf(world, by);
  const view = transition(replica.view, event, clockOf(world, by));
  return born(update(world, by, { replica: { ...replica, view } }), view);
}

function born(world: World, state: BreakerState): World {
  if (state.kind !== "open" || world.births.has(state.by)) return world;
  return { ...world, births: new Map(world.births).set(state.by, world.nowMs) };
}

function afterWish(world: World, by: number, wish: Wish): World | null {
  const { replica, message, names, lives } = processOf(world, by);
  if (message) return null;
  const over = replica.version;
  if (wish === "push") {
    if (!isAhead(replica, replica.stored)) return null;
    return send(world, by, { type: "write", event: null, next: replica.view, over, answer: null });
  }
  const event = eventOf(world, by, wish, `${by}.${lives}.${names}`);
  if (event === null) return null;
  const next = transition(replica.view, event, clockOf(world, by));
  // A call that has ended is a probe no longer, whatever becomes of the news; of an old one there are none.
  const isEnd = wish === "succeed" || wish === "fail" || wish === "drop";
  if (next === replica.view) return isEnd ? update(world, by, { probe: null }) : null;
  const named = update(world, by, { names: names + 1 });
  // What is not known to be stored is not built upon: a look comes first, and the wish again after it.
  if (replica.view.generation !== replica.stored.generation) {
    return send(named, by, { type: "read", event, answer: null });
  }
  const ended = isEnd ? update(named, by, { probe: null }) : named;
  return send(born(ended, next), by, { type: "write", event, next, over, answer: null });
}

function eventOf(world: World, by: number, wish: Exclude<Wish, "push">, name: string): BreakerEvent | null {
  const { replica: { view }, probe } = processOf(world, by);
  const nowMs = clockOf(world, by);
  switch (wish) {
    case "probe":
      if (probe || !mayProbe(view, RULES, nowMs)) return null;
      return { type: "probe", id: name, leaseMs: OPEN_MS, rules: RULES, by: name };
    case "succeed":
      return probe && { type: "probe_succeeded", generation: probe.generation, id: probe.id, rules: RULES, by: name };
    case "fail":
      return probe &&
        { type: "probe_failed", generation: probe.generation, id: probe.id, openForMs: OPEN_MS, by: name };
    case "drop":
      return probe && { type: "probe_dropped", generation: probe.generation, id: probe.id };
    case "expire":
      if (view.kind !== "half_open" || leaseEndsInMs(view, nowMs) > 0) return null;
      return { type: "expire", openForMs: OPEN_MS, by: name };
    case "isolate":
      return { type: "isolate", reason: "by hand", by: name };
    case "reset":
      return { type: "reset", by: name };
  }
}

function execute(world: World, message: Message): [World, Answer] {
  const { record, version } = world;
  const present = record === null ? null : String(version);
  if (message.type === "read") return [world, { record, accepted: true, version: present }];
  if (message.over !== present) return [world, { record: null, accepted: false, version: null }];
  const written = encodeBreaker(message.next);
  return [{ ...world, record: written, version: version + 1 }, {
    record: null,
    accepted: true,
    version: String(version + 1),
  }];
}

function deliver(world: World, by: number, message: Message, { record, accepted, version }: Answer): World {
  const { replica } = processOf(world, by);
  if (message.type === "read") {
    const stored = record && decodeBreaker(record, clockOf(world, by));
    return update(world, by, { replica: afterRead(replica, stored, version) });
  }
  if (!accepted || version === null) return world;
  return takePlace(update(world, by, { replica: afterWrite(replica, message.next, version) }), by, message.event);
}

/** The call begins when its place among the probes is sure. */
function takePlace(world: World, by: number, event: BreakerEvent | null): World {
  const { replica: { view }, probe } = processOf(world, by);
  if (event?.type !== "probe" || view.kind !== "half_open" || probe) return world;
  const place = view.probes.find(({ id }) => id === event.id);
  if (place === undefined) return world;
  const { generation } = view;
  return update(world, by, { probe: { id: event.id, generation, endsAtMs: place.sinceMs + place.leaseMs } });
}

/** No answer has come in time: the process goes on by itself. */
function giveUp(world: World, by: number): World | null {
  const { message } = processOf(world, by);
  if (message === null) return null;
  const alone = update({ ...world, faults: world.faults + 1 }, by, { message: null });
  const { event } = message;
  if (event === null) return alone;
  const believed = takePlace(believe(alone, by, event), by, event);
  const isEnd = event.type === "probe_succeeded" || event.type === "probe_failed" || event.type === "probe_dropped";
  return isEnd ? update(believed, by, { probe: null }) : believed;
}

function afterStray(world: World, { by, life, message }: Stray): World {
  const rest = { ...world, stray: null };
  if (message.answer === null) return execute(rest, message)[0];
  return processOf(world, by).lives === life ? deliver(rest, by, message, message.answer) : rest;
}
