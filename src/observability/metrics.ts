/** What the coordinator counts: a protocol that any metrics library fits behind, and two small ones. @module */

import { tellSafely } from "../errors.ts";

/**
 * Called at every outcome. The optional methods came after the first five, which are those of the Python original.
 * A method that throws harms nothing: the coordinator ignores it.
 */
export interface MessageMetrics {
  /** Messages were accepted, duplicates included. */
  incDeliveredOk(count: number): void;
  /** Messages were refused, or the backend failed. */
  incDeliveredError(count: number): void;
  /** Retries were scheduled, the last of them after this many seconds. */
  incRetriesScheduled(count: number, lastBackoffSeconds: number): void;
  /** Messages were negatively acknowledged. */
  incNacks(count: number): void;
  /** Messages went to the dead-letter queue. */
  incPermanent(count: number): void;
  /** Messages were leased to a receiver. */
  incReceived?(count: number): void;
  /** Messages were acknowledged. */
  incAcknowledged?(count: number): void;
  /** Settling came too late: the lease had ended. */
  incLeasesLost?(count: number): void;
  /** `recoverPending` ended expired leases. */
  incRecovered?(count: number): void;
}

/** Counts nothing. */
export class NullMetrics implements MessageMetrics {
  incDeliveredOk(_count: number): void {}
  incDeliveredError(_count: number): void {}
  incRetriesScheduled(_count: number, _lastBackoffSeconds: number): void {}
  incNacks(_count: number): void {}
  incPermanent(_count: number): void {}
}

/** What {@linkcode CountingMetrics} has counted. */
export interface MetricsSnapshot {
  /** Of sends. */
  readonly delivery: { readonly deliveredOk: number; readonly deliveredError: number };
  /** Of negative acknowledgements. */
  readonly retry: {
    readonly totalNacks: number;
    readonly totalRetriesScheduled: number;
    readonly totalPermanentFailures: number;
    readonly lastBackoffSeconds: number;
  };
  /** Of receivers. */
  readonly consumption: {
    readonly received: number;
    readonly acknowledged: number;
    readonly leasesLost: number;
    readonly recovered: number;
  };
}

/** Counts in this process, for tests, demos and a status page. */
export class CountingMetrics implements Required<MessageMetrics> {
  #deliveredOk = 0;
  #deliveredError = 0;
  #nacks = 0;
  #retriesScheduled = 0;
  #permanent = 0;
  #lastBackoffSeconds = 0;
  #received = 0;
  #acknowledged = 0;
  #leasesLost = 0;
  #recovered = 0;

  /** Adds sends that were delivered. */
  incDeliveredOk(count: number): void {
    this.#deliveredOk += count;
  }

  /** Adds sends that were not. */
  incDeliveredError(count: number): void {
    this.#deliveredError += count;
  }

  /** Adds messages that will be delivered again, and after how long the last of them. */
  incRetriesScheduled(count: number, lastBackoffSeconds: number): void {
    this.#retriesScheduled += count;
    this.#lastBackoffSeconds = lastBackoffSeconds;
  }

  /** Adds negative acknowledgements. */
  incNacks(count: number): void {
    this.#nacks += count;
  }

  /** Adds messages that became dead letters. */
  incPermanent(count: number): void {
    this.#permanent += count;
  }

  /** Adds messages that were received. */
  incReceived(count: number): void {
    this.#received += count;
  }

  /** Adds messages that were acknowledged. */
  incAcknowledged(count: number): void {
    this.#acknowledged += count;
  }

  /** Adds leases that ended before their message was settled. */
  incLeasesLost(count: number): void {
    this.#leasesLost += count;
  }

  /** Adds messages whose lease had ended and that went back to the line. */
  incRecovered(count: number): void {
    this.#recovered += count;
  }

  /** The counts so far. */
  snapshot(): MetricsSnapshot {
    return {
      delivery: { deliveredOk: this.#deliveredOk, deliveredError: this.#deliveredError },
      retry: {
        totalNacks: this.#nacks,
        totalRetriesScheduled: this.#retriesScheduled,
        totalPermanentFailures: this.#permanent,
        lastBackoffSeconds: this.#lastBackoffSeconds,
      },
      consumption: {
        received: this.#received,
        acknowledged: this.#acknowledged,
        leasesLost: this.#leasesLost,
        recovered: this.#recovered,
      },
    };
  }
}

/** Wraps metrics so that one that throws, or rejects, or lacks a method harms nothing. */
export function safeMetrics(metrics: MessageMetrics): Required<MessageMetrics> {
  return {
    incDeliveredOk: (count) => tellSafely(() => metrics.incDeliveredOk(count)),
    incDeliveredError: (count) => tellSafely(() => metrics.incDeliveredError(count)),
    incRetriesScheduled: (count, seconds) => tellSafely(() => metrics.incRetriesScheduled(count, seconds)),
    incNacks: (count) => tellSafely(() => metrics.incNacks(count)),
    incPermanent: (count) => tellSafely(() => metrics.incPermanent(count)),
    incReceived: (count) => tellSafely(() => metrics.incReceived?.(count)),
    incAcknowledged: (count) => tellSafely(() => metrics.incAcknowledged?.(count)),
    incLeasesLost: (count) => tellSafely(() => metrics.incLeasesLost?.(count)),
    incRecovered: (count) => tellSafely(() => metrics.incRecovered?.(count)),
  };
}
