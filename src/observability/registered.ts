/** The providers of OpenTelemetry that are registered; of its API, types alone are imported. @module */

import type {
  Context,
  ContextManager,
  MeterProvider,
  Span,
  SpanContext,
  Tracer,
  TracerProvider,
} from "@opentelemetry/api";

// Whoever registers a provider has loaded the API, which keeps it in one global object. By that object its copies find
// each other, for a process may have several versions 1.x, and Deno fills it by itself: these symbols cannot change.
const REGISTERED = Symbol.for("opentelemetry.js.api.1");
const SHARED = globalThis as { readonly [REGISTERED]?: Registered };
const SPAN = Symbol.for("OpenTelemetry Context Key SPAN");

/** What has been registered. */
export interface Registered {
  readonly trace?: TracerProvider;
  readonly metrics?: MeterProvider;
  readonly context?: ContextManager;
}

/** What is registered right now. */
export function registered(): Registered {
  return SHARED[REGISTERED] ?? NOTHING;
}

/** The context that the caller is in. */
export function activeContext(): Context {
  return registered().context?.active() ?? NO_CONTEXT;
}

/** Calls a function within a span: spans that it begins are its children. */
export function callWithin<Result>(span: Span, call: () => Result): Result {
  const manager = registered().context;
  return manager ? manager.with(manager.active().setValue(SPAN, span), call) : call();
}

/** What others know of the span that a context is in. */
export function spanContextOf(context: Context): SpanContext | undefined {
  const span = context.getValue(SPAN) as Span | undefined; // nothing else is kept by this symbol
  return span?.spanContext();
}

/** A context within a span of another process, or within none. */
export function contextWithin(span: SpanContext | undefined): Context {
  return span ? NO_CONTEXT.setValue(SPAN, silentSpan(span)) : NO_CONTEXT;
}

/** Where only metrics are registered: makes spans that record nothing, and pass on the trace that they are in. */
export const silentTracer: Pick<Tracer, "startSpan"> = {
  startSpan: (_name, _options, context = activeContext()) => silentSpan(spanContextOf(context) ?? NO_SPAN),
};

const NOTHING: Registered = {};
const NO_CONTEXT: Context = contextOf(new Map());
const NO_SPAN: SpanContext = { traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: 0 };

/** Values by their keys; a change makes a new context. */
function contextOf(values: ReadonlyMap<symbol, unknown>): Context {
  return {
    getValue: (key) => values.get(key),
    setValue: (key, value) => contextOf(new Map(values).set(key, value)),
    deleteValue: (key) => contextOf(new Map([...values].filter(([each]) => each !== key))),
  };
}

/** A span that is recorded elsewhere, or nowhere. */
function silentSpan(context: SpanContext): Span {
  const span: Span = {
    spanContext: () => context,
    isRecording: () => false,
    setAttribute: () => span,
    setAttributes: () => span,
    addEvent: () => span,
    addLink: () => span,
    addLinks: () => span,
    setStatus: () => span,
    updateName: () => span,
    recordException: () => {},
    end: () => {},
  };
  return span;
}
