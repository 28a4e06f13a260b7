/** The span of whoever has sent a message: from what travels with the message to OpenTelemetry, and back. @module */

import type { Context, Link, SpanContext } from "@opentelemetry/api";
import { contextWithin } from "./registered.ts";
import type { TraceContext } from "./trace_context.ts";

// A future version may say more behind the flags; what it shares with the first stands at the same place.
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-((?!0{16})[0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?$/;

/** What to send with a message that belongs to a span; nothing where there is none. */
export function toTraceContext(span: SpanContext | undefined): TraceContext | undefined {
  if (!span) return undefined;
  const traceparent = `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, "0")}`;
  if (!TRACEPARENT.test(traceparent)) return undefined;
  const tracestate = span.traceState?.serialize();
  return { traceparent, ...(tracestate && { tracestate }) };
}

/** The sender's span; nothing where none was sent, or what was sent is none. */
export function toSpanContext(sent: TraceContext | undefined): SpanContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(sent?.traceparent ?? "") ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
}

/** A context in which the sender's span is the parent. */
export function toContext(sent: TraceContext | undefined): Context {
  return contextWithin(toSpanContext(sent));
}

/** Links to the senders' spans. */
export function toLinks(sent: readonly (TraceContext | undefined)[]): Link[] {
  return sent.flatMap((each) => {
    const context = toSpanContext(each);
    return context ? [{ context }] : [];
  });
}
