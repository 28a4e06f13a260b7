/** OpenTelemetry: the tracer and the instruments, once a provider is registered; before that, nothing. @module */

import type {
  Attributes,
  Counter,
  Histogram,
  Meter,
  MeterProvider,
  Tracer,
  TracerProvider,
  UpDownCounter,
} from "@opentelemetry/api";
import { tellSafely } from "../errors.ts";
import { registered, silentTracer } from "./registered.ts";

/** Whom spans and metrics are from. */
const SCOPE = "@tta/agent-coordination";

/** The buckets that the conventions name for the durations of messaging operations, in seconds. */
const DURATION_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** Where spans and metrics go. An instrument is made at its first use. */
export class Telemetry {
  /** Makes spans. */
  readonly tracer: Pick<Tracer, "startSpan">;
  readonly #meter: Meter | undefined;
  readonly #counters = new Map<string, Counter>();
  readonly #levels = new Map<string, UpDownCounter>();
  readonly #durations = new Map<string, Histogram>();

  /** Makes spans by one and instruments by the other. */
  constructor(tracer: Tracer | undefined, meter: Meter | undefined) {
    this.tracer = tracer ?? silentTracer;
    this.#meter = meter;
  }

  /** Adds to a number that only grows. */
  count(name: string, unit: string, value: number, attributes: Attributes): void {
    this.#tell((meter) => {
      let counter = this.#counters.get(name);
      if (!counter) this.#counters.set(name, counter = meter.createCounter(name, { unit }));
      counter.add(value, attributes);
    });
  }

  /** Adds to a number that also shrinks. */
  change(name: string, unit: string, value: number, attributes: Attributes): void {
    this.#tell((meter) => {
      let level = this.#levels.get(name);
      if (!level) this.#levels.set(name, level = meter.createUpDownCounter(name, { unit }));
      level.add(value, attributes);
    });
  }

  /** Adds a duration, in seconds as the conventions want it. */
  time(name: string, durationMs: number, attributes: Attributes): void {
    this.#tell((meter) => {
      let duration = this.#durations.get(name);
      if (!duration) {
        const advice = { explicitBucketBoundaries: DURATION_BUCKETS_S };
        this.#durations.set(name, duration = meter.createHistogram(name, { unit: "s", advice }));
      }
      duration.record(durationMs / 1000, attributes);
    });
  }

  #tell(call: (meter: Meter) => void): void {
    const meter = this.#meter;
    if (meter) tellSafely(() => call(meter));
  }
}

let meters: MeterProvider | undefined;
let tracers: TracerProvider | undefined;
let current: Telemetry | null = null;

/**
 * Where spans and metrics go, `null` while no provider is registered: then a call costs some 10 nanoseconds and
 * everything that it guards nothing. A provider may be registered, and be taken away, at any time.
 */
export function telemetry(): Telemetry | null {
  const { trace, metrics } = registered();
  if (metrics === meters && trace === tracers) return current;
  meters = metrics;
  tracers = trace;
  return current = trace || metrics ? new Telemetry(trace?.getTracer(SCOPE), metrics?.getMeter(SCOPE)) : null;
}

/** What kind of error it is, in words that do not differ from call to call. */
export function errorTypeOf(error: unknown): string {
  if (typeof error === "string") return error;
  if (!(error instanceof Error)) return "_OTHER";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
