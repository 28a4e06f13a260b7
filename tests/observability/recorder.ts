/** Registers OpenTelemetry providers that keep in memory what they are told, for as long as a test runs. @module */

import { context, metrics, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";

/** One number of a metric: how much was counted, or how often a duration was recorded. */
export interface Point {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly value: number;
}

/** What has been told. */
export interface Recorder {
  /** The spans that have ended, in that order. */
  spans(): ReadableSpan[];
  /** The numbers of a metric. */
  points(name: string): Promise<Point[]>;
}

/** Runs a test with providers registered, and takes them away afterwards. */
export async function recording(run: (recorder: Recorder) => Promise<void>): Promise<void> {
  const spans = new InMemorySpanExporter();
  const tracers = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meters = new MeterProvider({ readers: [reader] });
  trace.setGlobalTracerProvider(tracers);
  metrics.setGlobalMeterProvider(meters);
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  try {
    await run({
      spans: () => spans.getFinishedSpans(),
      points: async (name) => {
        await meters.forceFlush();
        const [scope] = exporter.getMetrics().at(-1)?.scopeMetrics ?? [];
        const metric = scope?.metrics.find(({ descriptor }) => descriptor.name === name);
        return (metric?.dataPoints ?? []).map(({ attributes, value }) => ({
          attributes,
          value: typeof value === "number" ? value : Number(Reflect.get(value, "count")),
        }));
      },
    });
  } finally {
    trace.disable();
    metrics.disable();
    context.disable();
    await Promise.all([tracers.shutdown(), meters.shutdown()]);
  }
}
