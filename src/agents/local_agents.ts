/** The agents that this process has registered. @module */

import type { AgentId } from "../messages/model.ts";
import { recordLocalAgents } from "../observability/primitive_telemetry.ts";
import { nameOf } from "./agent_keys.ts";
import type { LocalAgent } from "./local_agent.ts";

/** Agents by name; one name is registered here once. */
export class LocalAgents {
  readonly #byName = new Map<string, LocalAgent>();
  /** The incarnations that were lost, until their names are registered here again. */
  readonly #lost = new Map<string, number>();

  /** All of them. */
  all(): LocalAgent[] {
    return [...this.#byName.values()];
  }

  /** The one with this name. */
  get(id: AgentId): LocalAgent | undefined {
    return this.#byName.get(nameOf(id));
  }

  /** Whether it is this very registration that holds its name here. */
  has(local: LocalAgent): boolean {
    return this.#byName.get(nameOf(local.id)) === local;
  }

  /** The incarnation with this name that was lost, if one was. */
  lostIncarnation(id: AgentId): number | undefined {
    return this.#lost.get(nameOf(id));
  }

  /** Adds a registration, in the place of a former one with its name. */
  add(local: LocalAgent): void {
    if (this.get(local.id) === undefined) recordLocalAgents(local.id.type, 1);
    this.#byName.set(nameOf(local.id), local);
    this.#lost.delete(nameOf(local.id));
  }

  /** Takes a registration away, and tells whether it was there. */
  remove(local: LocalAgent): boolean {
    if (!this.has(local)) return false;
    recordLocalAgents(local.id.type, -1);
    return this.#byName.delete(nameOf(local.id));
  }

  /** Takes away a registration that was lost to another, and tells whether it was there. */
  lose(local: LocalAgent): boolean {
    if (!this.remove(local)) return false;
    this.#lost.set(nameOf(local.id), local.incarnation);
    return true;
  }
}
