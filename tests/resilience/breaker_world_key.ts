/** What tells two worlds of the breaker's model apart, as a string. @module */

import type { BreakerState } from "../../src/resilience/breaker_state.ts";
import type { JsonObject } from "../../src/storage/json.ts";
import { clockOf, type Message, OPEN_MS, type World } from "../../src/testing/breaker_world.ts";

/**
 * Worlds with the same key can do the same. Times count as ages, and nothing is older than an open time; versions count
 * backwards from the present one; names are numbered in the order in which they are met.
 */
export function keyOf(world: World): string {
  const names = new Map<string, number>();
  const named = (name: string): number => {
    const number = names.get(name) ?? names.size;
    names.set(name, number);
    return number;
  };
  const age = (nowMs: number, sinceMs: number) => Math.min(nowMs - sinceMs, OPEN_MS);
  const versioned = (version: string | null) => version === null ? "" : world.version - Number(version);

  const record = (record: JsonObject | null): string =>
    JSON.stringify(record, (field, value) => field === "by" || field === "id" ? named(value) : value);

  const state = (state: BreakerState, nowMs: number): string => {
    const common = `${state.kind}${state.generation}.${state.revision}.${named(state.by)}`;
    switch (state.kind) {
      case "open":
        return `${common}@${age(nowMs, state.sinceMs)}@${age(world.nowMs, world.births.get(state.by) ?? 0)}`;
      case "half_open":
        return `${common}+${state.successes}[${
          state.probes.map(({ id, sinceMs }) => `${named(id)}@${age(nowMs, sinceMs)}`)
        }]`;
      default:
        return common;
    }
  };

  const message = (message: Message, nowMs: number): string => {
    const { answer, event } = message;
    const answered = answer ? `=${answer.accepted}${versioned(answer.version)}${record(answer.record)}` : "";
    const wished = event ? `${event.type}${"id" in event ? named(event.id) : ""}` : "";
    if (message.type === "read") return `read${wished}${answered}`;
    return `write${wished}${versioned(message.over)}>${state(message.next, nowMs)}${answered}`;
  };

  const parts = world.processes.map(({ replica, message: sent, probe, lives }, by) => {
    const nowMs = clockOf(world, by);
    const held = probe ? `${named(probe.id)}.${probe.generation}@${Math.max(probe.endsAtMs - nowMs, 0)}` : "";
    const late = world.stray?.by === by ? `${world.stray.life === lives}${message(world.stray.message, nowMs)}` : "";
    return [
      state(replica.view, nowMs),
      state(replica.stored, nowMs),
      versioned(replica.version),
      sent ? message(sent, nowMs) : "",
      held,
      late,
    ].join(";");
  });
  return [record(world.record), ...parts, world.faults].join("|");
}
