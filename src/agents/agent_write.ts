/** What a heartbeat writes of one agent beside the heartbeat itself. @module */

import { monotonicMs } from "../clock.ts";
import type { Check, Operation, OperationResult } from "../storage/backend.ts";
import { versionOf } from "./event_log.ts";
import type { LocalAgent } from "./local_agent.ts";
import type { Membership } from "./membership.ts";
import type { RegistryConfig } from "./registry_options.ts";
import type { Session } from "./session.ts";

/** A write of one agent, to be committed together with others. */
export interface AgentWrite {
  readonly local: LocalAgent;
  readonly checks: readonly Check[];
  readonly operations: readonly Operation[];
  /** How many characters of state are in it. */
  readonly stateLength: number;
  /** Keeps what it has come to, by the results of its own operations. */
  readonly committed: (results: readonly OperationResult[]) => void;
}

/**
 * What is to be written of an agent: that it moves into another session, its state where that has changed, and all its
 * records when half of their time is over. `null` when there is nothing. All of it is refused once the registration has
 * ended.
 */
export function prepareAgentWrite(
  local: LocalAgent,
  session: Session,
  membership: Membership,
  config: RegistryConfig,
): AgentWrite | null {
  const nowMs = monotonicMs(config.clock);
  const moves = local.session !== session;
  const isOld = nowMs - local.writtenAtMs > Math.min(config.recordTtlMs, config.stateRetentionMs) / 2;
  const state = local.exported;
  if (!moves && !isOld && state === null) return null;
  const operations: Operation[] = [];
  if (moves || isOld) operations.push(membership.setMember(local, { session: session.id }));
  if (isOld || state !== null) operations.push(membership.setPast(local, state ?? local.savedState));
  if (moves && !local.session.isShared) operations.push(...membership.deleteSession(local.session.id));
  return {
    local,
    checks: [membership.check(local)],
    operations,
    stateLength: state?.length ?? 0,
    committed: (results) => {
      if (moves || isOld) local.version = versionOf(results, 0);
      local.session = session;
      if (isOld) local.writtenAtMs = nowMs;
      if (state === null) return;
      local.savedState = state;
      if (local.exported === state) local.exported = null;
    },
  };
}
