/** The error of a registration that has lost its agent's name. @module */

import { CoordinationError } from "../errors.ts";
import type { AgentId } from "../messages/model.ts";
import { describeAgent } from "./agent_keys.ts";

/**
 * A newer registration holds the agent's name, or the agent was declared dead: what the older one does is refused, and
 * changes nothing.
 */
export class StaleIncarnationError extends CoordinationError {
  /** The agent. */
  readonly agentId: AgentId;
  /** The registration that is refused. */
  readonly incarnation: number;

  /** Makes the error for a registration. */
  constructor(action: string, agentId: AgentId, incarnation: number) {
    super(
      "STALE_INCARNATION",
      `Cannot ${action} the agent ${describeAgent(agentId)}: its incarnation ${incarnation} is registered no more`,
    );
    this.agentId = agentId;
    this.incarnation = incarnation;
  }
}
