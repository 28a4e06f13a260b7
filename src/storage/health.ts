/** How engines measure whether they answer. @module */

import { monotonicMs, systemClock } from "../clock.ts";
import { errorText } from "../errors.ts";
import type { Health } from "./backend.ts";

/** Whether the engine answers a call that changes nothing, and after how long. Never rejects. */
export async function measureHealth(call: () => Promise<unknown>): Promise<Health> {
  const startMs = monotonicMs(systemClock);
  try {
    await call();
    return { healthy: true, latencyMs: monotonicMs(systemClock) - startMs };
  } catch (error) {
    return { healthy: false, latencyMs: monotonicMs(systemClock) - startMs, error: errorText(error) };
  }
}
