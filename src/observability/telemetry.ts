/** OpenTelemetry: the tracer and the instruments, once somebody has registered a provider; before that, nothing. @module */

import {
  type Attributes,
  type Counter,
  createNoopMeter,
  type Histogram,
  type Meter,
  metrics,
  ProxyTracerProvider,
  trace,
  type Tracer,
  type UpDownCounter,
} from "@opentelemetry/api";

/** Whom spans and metrics are from. */
const SCOPE = "@tta/agent-coordination";

/** The buckets that the conventions name for the durations of messaging operations, in seconds. */
const DURATION_BUCKETS_S = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];

/** Where spans and metrics go. An instrument is made at its first use. */
export class Telemetry {
  /** Makes spans. */
  readonly tracer: Tracer;
  readonly #meter: Meter;
  readonly #counters = new Map<string, Counter>();
  readonly #levels = new Map<string, UpDownCounter>();
  readonly #durations = new Map<string, Histogram>();

  /** Makes spans by one and instruments by the other. */
  constructor(tracer: Tracer, meter: Meter) {
    this.tracer = tracer;
    this.#meter = meter;
  }

  /** Adds to a number that only grows. */
  count(name: string, unit: string, value: number, attributes: Attributes): void {
    let counter = this.#counters.get(name);
    if (!counter) this.#counters.set(name, counter = this.#meter.createCounter(name, { unit }));
    counter.add(value, attributes);
  }

  /** Adds to a number that also shrinks. */
  change(name: string, unit: string, value: number, attributes: Attributes): void {
    let level = this.#levels.get(name);
    if (!level) this.#levels.set(name, level = this.#meter.createUpDownCounter(name, { unit }));
    level.add(value, attributes);
  }

  /** Adds a duration, in seconds as the conventions want it. */
  time(name: string, durationMs: number, attributes: Attributes): void {
    let duration = this.#durations.get(name);
    if (!duration) {
      const advice = { explicitBucketBoundaries: DURATION_BUCKETS_S };
      this.#durations.set(name, duration = this.#meter.createHistogram(name, { unit: "s", advice }));
    }
    duration.record(durationMs / 1000, attributes);
  }
}

const NO_TRACER_PROVIDER = new ProxyTracerProvider().getDelegate();

let meterProvider: unknown;
let tracerProvider: unknown;
let current: Telemetry | null = null;

/**
 * Where spans and metrics go, `null` while no provider is registered: then a call costs some 25 nanoseconds and everything
 * that it guards nothing. A provider may be registered, and be taken away, at any time.
 */
export function telemetry(): Telemetry | null {
  const meters = metrics.getMeterProvider();
  const proxy = trace.getTracerProvider();
  const tracers = proxy instanceof ProxyTracerProvider ? proxy.getDelegate() : proxy;
  if (meters === meterProvider && tracers === tracerProvider) return current;
  meterProvider = meters;
  tracerProvider = tracers;
  const meter = meters.getMeter(SCOPE);
  const isOff = tracers === NO_TRACER_PROVIDER && meter === createNoopMeter();
  return current = isOff ? null : new Telemetry(tracers.getTracer(SCOPE), meter);
}

/** What kind of error it is, in words that do not differ from call to call. */
export function errorTypeOf(error: unknown): string {
  if (typeof error === "string") return error;
  if (!(error instanceof Error)) return "_OTHER";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
