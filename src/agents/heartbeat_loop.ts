/** Sends heartbeats again and again, through outages of the store. @module */

import { monotonicMs } from "../clock.ts";
import { BackendClosedError } from "../errors.ts";
import { recordHeartbeat } from "../observability/primitive_telemetry.ts";
import { type HeartbeatParts, sendHeartbeat } from "./heartbeat.ts";
import type { Session } from "./session.ts";

/** While the store is away, a heartbeat is tried again this often at least. */
const RETRY_MS = 1000;

/** The heartbeats of all agents of this process, in one session. Holds a timer while it runs, and none else. */
export class HeartbeatLoop {
  /** The session that all agents of this process share while heartbeats are sent by themselves. */
  readonly session: Session;
  readonly #parts: HeartbeatParts;
  #isRunning = false;
  #ticking: Promise<void> | null = null;
  #cancelTimer: (() => void) | null = null;
  #hasFailed = false;

  /** Sends nothing before `start`. */
  constructor(parts: HeartbeatParts, session: Session) {
    this.#parts = parts;
    this.session = session;
  }

  /** Whether it runs. */
  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Sends a heartbeat now, and from then on one each interval. Resolves once the first was tried. */
  async start(): Promise<void> {
    this.#isRunning = true;
    await this.#tick();
  }

  /** Sends no more, and waits for one that is under way. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    this.#cancel();
    await this.#ticking;
    this.#cancel();
  }

  /** Sends a heartbeat for all agents now, in place of the next. */
  async beat(): Promise<void> {
    const { locals } = this.#parts;
    const agents = locals.all();
    if (agents.length > 0) await sendHeartbeat(this.#parts, this.session, agents);
  }

  #tick(): Promise<void> {
    this.#ticking ??= this.#run().finally(() => this.#ticking = null);
    return this.#ticking;
  }

  async #run(): Promise<void> {
    const { clock, intervalMs } = this.#parts.config;
    const startedAtMs = monotonicMs(clock);
    this.#cancel();
    const waitMs = await this.#beatSafely() ? intervalMs : Math.min(intervalMs, RETRY_MS);
    if (!this.#isRunning) return;
    const restMs = Math.min(waitMs, Math.max(0, startedAtMs + waitMs - monotonicMs(clock)));
    this.#cancelTimer = clock.setTimer(() => void this.#tick(), restMs);
  }

  /** Tells whether the heartbeat was written. Nothing that goes wrong ends the loop but the end of the backend. */
  async #beatSafely(): Promise<boolean> {
    const { events, config: { clock } } = this.#parts;
    const startedAtMs = monotonicMs(clock);
    try {
      await this.beat();
      recordHeartbeat(monotonicMs(clock) - startedAtMs);
      if (this.#hasFailed) events.emit("heartbeat_recovered", {});
      this.#hasFailed = false;
      return true;
    } catch (error) {
      recordHeartbeat(monotonicMs(clock) - startedAtMs, error);
      if (!this.#hasFailed) events.emit("heartbeat_failed", { error });
      this.#hasFailed = true;
      if (error instanceof BackendClosedError) this.#isRunning = false;
      return false;
    }
  }

  #cancel(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }
}
