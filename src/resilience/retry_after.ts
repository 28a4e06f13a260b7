/** How long the other side asked to be left alone, as an error or its HTTP response tells. @module */

/**
 * The wait that an error asks for, in milliseconds, or `null` when it asks for none. Looked for in this order:
 * `retryAfterMs` (milliseconds), `retryAfter` (as the header), `headers` and `response.headers` (`Retry-After`: seconds
 * or an HTTP date, by RFC 9110 section 10.2.3).
 */
export function retryAfterMs(error: unknown, nowMs: number): number | null {
  try {
    return askedMs(error, nowMs);
  } catch {
    return null; // an error whose fields cannot be read asks for nothing
  }
}

function askedMs(error: unknown, nowMs: number): number | null {
  if (typeof error !== "object" || error === null) return null;
  const direct: unknown = Reflect.get(error, "retryAfterMs");
  if (typeof direct === "number" && direct >= 0) return direct;
  const response: unknown = Reflect.get(error, "response");
  const header = Reflect.get(error, "retryAfter") ?? fromHeaders(Reflect.get(error, "headers")) ??
    (typeof response === "object" && response !== null ? fromHeaders(Reflect.get(response, "headers")) : null);
  return parseRetryAfter(header, nowMs);
}

/** The wait that a `Retry-After` value stands for, in milliseconds; `null` when it is none. */
export function parseRetryAfter(header: unknown, nowMs: number): number | null {
  if (typeof header === "number") return header >= 0 ? header * 1000 : null;
  if (typeof header !== "string") return null;
  if (/^\s*\d+(\.\d+)?\s*$/.test(header)) return Number(header) * 1000;
  // Every HTTP date has the name of its month; the parser takes nearly anything, "-5" too.
  const atMs = /[a-z]{3}/i.test(header) ? Date.parse(header) : NaN;
  return Number.isNaN(atMs) ? null : Math.max(0, atMs - nowMs);
}

function fromHeaders(headers: unknown): unknown {
  if (headers instanceof Headers) return headers.get("retry-after");
  if (typeof headers !== "object" || headers === null) return null;
  for (const [name, value] of Object.entries(headers)) if (name.toLowerCase() === "retry-after") return value;
  return null;
}
