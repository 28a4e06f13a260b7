/** Metrics of the circuit breaker, the retries and the agent registry. @module */

import { errorTypeOf, telemetry } from "./telemetry.ts";

/** A circuit breaker has come into another state. */
export function recordBreakerTransition(name: string, from: string, to: string): void {
  telemetry()?.count("tta.circuit_breaker.transitions", "{transition}", 1, {
    "tta.circuit_breaker.name": name,
    "tta.circuit_breaker.state.from": from,
    "tta.circuit_breaker.state": to,
  });
}

/** A circuit breaker has not let a call through. */
export function recordBreakerRejection(name: string, state: string): void {
  telemetry()?.count("tta.circuit_breaker.rejections", "{call}", 1, {
    "tta.circuit_breaker.name": name,
    "tta.circuit_breaker.state": state,
  });
}

/** A call through a circuit breaker has failed. */
export function recordBreakerFailure(name: string, error: unknown): void {
  telemetry()?.count("tta.circuit_breaker.failures", "{call}", 1, {
    "tta.circuit_breaker.name": name,
    "error.type": errorTypeOf(error),
  });
}

/** Something is tried again after a delay, because of an error. */
export function recordRetry(delayMs: number, error: unknown): void {
  const to = telemetry();
  if (!to) return;
  const attributes = { "error.type": errorTypeOf(error) };
  to.count("tta.retry.retries", "{retry}", 1, attributes);
  to.time("tta.retry.delay", delayMs, attributes);
}

/** Something that was tried again is not tried any more. */
export function recordRetriesExhausted(error: unknown): void {
  telemetry()?.count("tta.retry.exhausted", "{call}", 1, { "error.type": errorTypeOf(error) });
}

/** A heartbeat for all agents of this process was written, or could not be. */
export function recordHeartbeat(durationMs: number, error?: unknown): void {
  const attributes = error === undefined ? {} : { "error.type": errorTypeOf(error) };
  telemetry()?.time("tta.agent.heartbeat.duration", durationMs, attributes);
}

/** So many more, or fewer, agents of a type are registered in this process. */
export function recordLocalAgents(type: string, change: number): void {
  telemetry()?.change("tta.agent.registered", "{agent}", change, { "tta.agent.type": type });
}

/** This process was the first to notice that an agent is dead. */
export function recordDeath(type: string): void {
  telemetry()?.count("tta.agent.deaths", "{agent}", 1, { "tta.agent.type": type });
}

/** This process was the first to hold back the deaths of a type. */
export function recordHold(type: string): void {
  telemetry()?.count("tta.agent.holds", "{hold}", 1, { "tta.agent.type": type });
}
