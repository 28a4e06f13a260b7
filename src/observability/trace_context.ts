/** The trace that a message belongs to, in the form of the W3C: two strings that any tracer reads. @module */

import { type Context, isSpanContextValid, type Link, ROOT_CONTEXT, type SpanContext, trace } from "@opentelemetry/api";

/** The trace that a message belongs to, as of https://www.w3.org/TR/trace-context/. */
export interface TraceContext {
  /** `00-<trace id>-<span id>-<flags>`, in hexadecimal digits. */
  readonly traceparent: string;
  /** What tracing systems pass on beside it. */
  readonly tracestate?: string | undefined;
}

// A future version may say more behind the flags; what it shares with the first stands at the same place.
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/** What to send with a message that belongs to a span; nothing where there is none. */
export function toTraceContext(span: SpanContext | undefined): TraceContext | undefined {
  if (!span || !isSpanContextValid(span)) return undefined;
  const flags = span.traceFlags.toString(16).padStart(2, "0");
  const tracestate = span.traceState?.serialize();
  return { traceparent: `00-${span.traceId}-${span.spanId}-${flags}`, ...(tracestate && { tracestate }) };
}

/** The sender's span; nothing where none was sent, or what was sent is none. */
export function toSpanContext(sent: TraceContext | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(sent?.traceparent ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  const span = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(span) ? span : undefined;
}

/** A context in which the sender's span is the parent. */
export function toContext(sent: TraceContext | undefined): Context {
  const span = toSpanContext(sent);
  return span ? trace.setSpanContext(ROOT_CONTEXT, span) : ROOT_CONTEXT;
}

/** Links to the senders' spans. */
export function toLinks(sent: readonly (TraceContext | undefined)[]): Link[] {
  return sent.flatMap((each) => {
    const context = toSpanContext(each);
    return context ? [{ context }] : [];
  });
}
