/** A session: agents of one process whose heartbeats travel together. @module */

import { monotonicMs } from "../clock.ts";
import { randomId } from "../ids.ts";
import type { Batch, OperationResult, SetOperation } from "../storage/backend.ts";
import type { AgentKeys } from "./agent_keys.ts";
import { versionOf } from "./event_log.ts";
import { encodeSession } from "./records.ts";
import type { RegistryConfig } from "./registry_options.ts";

/**
 * Three records, whatever the number of agents: one that names the session and is long kept, and two marks, whose
 * expiry says that it was silent. Each heartbeat requires that the first is as the heartbeat before has left it: who
 * takes an agent away, or declares it dead, touches that record, and the holder learns of it by a refusal.
 */
export class Session {
  /** Names it. */
  readonly id: string = randomId();
  /** The version of its record as far as it is known; `null`: there is none. */
  version: string | null = null;
  /** Whether an agent has come in since the last look at what it may have lost: before that, a loss may go unseen. */
  isDoubtful = false;
  readonly #keys: AgentKeys;
  readonly #config: RegistryConfig;
  #silentUntilMs = 0;

  /** Whether several agents live by it: then it outlives each of them. */
  readonly isShared: boolean;

  /** A session that nobody knows of before its first heartbeat. */
  constructor(keys: AgentKeys, config: RegistryConfig, isShared: boolean) {
    this.isShared = isShared;
    this.#keys = keys;
    this.#config = config;
  }

  /** Makes heartbeats count for so much longer, until that time is over. */
  announceSilence(durationMs: number): void {
    this.#silentUntilMs = Math.max(this.#silentUntilMs, monotonicMs(this.#config.clock) + durationMs);
  }

  /** Forgets an announced silence: it is over. */
  endSilence(): void {
    this.#silentUntilMs = 0;
  }

  /** A heartbeat, to be committed. */
  prepareBeat(): Required<Pick<Batch, "checks" | "operations">> {
    return {
      checks: [{ key: this.#keys.session(this.id), version: this.version }],
      operations: this.operations(),
    };
  }

  /** What a heartbeat writes. The first operation's version is to be kept as `version`. */
  operations(): SetOperation[] {
    const { ttlMs: plainTtlMs, suspicionMs, recordTtlMs, clock } = this.#config;
    const ttlMs = plainTtlMs + Math.max(0, this.#silentUntilMs - monotonicMs(clock));
    return [
      {
        type: "set",
        key: this.#keys.session(this.id),
        value: encodeSession({ ttlMs, suspicionMs }),
        expiresInMs: recordTtlMs + ttlMs,
      },
      { type: "set", key: this.#keys.alive(this.id), value: 1, expiresInMs: ttlMs },
      { type: "set", key: this.#keys.known(this.id), value: 1, expiresInMs: ttlMs + suspicionMs },
    ];
  }

  /** Keeps what a committed heartbeat has come to; its operations begin at `from`. */
  beaten(results: readonly OperationResult[], from: number = 0): void {
    this.version = versionOf(results, from);
  }
}
