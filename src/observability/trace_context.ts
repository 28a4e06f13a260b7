/** The trace that a message belongs to, in the form of the W3C: two strings that any tracer reads. @module */

/** The trace that a message belongs to, as of https://www.w3.org/TR/trace-context/. */
export interface TraceContext {
  /** `00-<trace id>-<span id>-<flags>`, in hexadecimal digits. */
  readonly traceparent: string;
  /** What tracing systems pass on beside it. */
  readonly tracestate?: string | undefined;
}
