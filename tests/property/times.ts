/** How time passes in the property test: by a clock that stands still, or really, in steps that tell events apart. @module */

import type { ManualClock } from "../../src/testing/mod.ts";

/** Time as a run sees it. */
export interface Times {
  /** Whether the times that a backend tells can be compared with the model's. */
  readonly isExact: boolean;
  /** The time that the model goes by. */
  nowMs(): number;
  /** How long so many ticks are, from now on. */
  durationMs(ticks: number): number;
  /** Lets ticks pass. */
  advance(ticks: number): Promise<void>;
  /** Whether the run has lost step with real time, so that nothing more can be said of it. */
  isLate(): boolean;
}

/** Ticks of a clock that stands still: events fall on the same moment often, and on the very end of a duration. */
export function exactTimes(clock: ManualClock): Times {
  const tickMs = 500;
  return {
    isExact: true,
    nowMs: () => clock.now(),
    durationMs: (ticks) => ticks * tickMs,
    advance: (ticks) => clock.advance(ticks * tickMs),
    isLate: () => false,
  };
}

/**
 * Ticks of real time. Everything happens shortly after a tick has begun, and durations end at 1/5, 2/5, 3/5 or 4/5 of a
 * tick, by the tick in which they begin: so no two that began in different ticks end at about the same moment, and
 * nothing ends at about the moment at which something happens. What happens too late for that makes the run worthless.
 */
export function realTimes(tickMs: number): Times {
  const startMs = Date.now();
  let tick = 0;
  const lateMs = () => Date.now() - (startMs + tick * tickMs);
  return {
    isExact: false,
    nowMs: () => tick * tickMs,
    durationMs: (ticks) => (Math.min(ticks, 3) - 1 + (1 + tick % 4) / 5) * tickMs,
    advance: async (ticks) => {
      tick += ticks;
      await new Promise((resolve) => setTimeout(resolve, Math.max(-lateMs(), 0) + 1));
    },
    isLate: () => lateMs() > tickMs * 0.15,
  };
}
