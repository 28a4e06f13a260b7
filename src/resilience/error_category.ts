/** What kind of failure an error stands for, and so whether another try may help. @module */

import { CoordinationError, type ErrorCode, errorWords } from "../errors.ts";

/**
 * The kinds of failure: the network, a limit on the rate of calls, a resource that is used up, a passing fault of the
 * other side, or a fault that will still be there at the next try.
 */
export type ErrorCategory = "network" | "rate_limit" | "resource" | "transient" | "permanent";

const RETRYABLE: readonly ErrorCategory[] = ["network", "rate_limit", "transient"];

/** Whether another try may help: after a failure of the network, a rate limit or a passing fault. */
export function isRetryable(error: unknown): boolean {
  return RETRYABLE.includes(classifyError(error));
}

/**
 * The category of an error: by its `code` or HTTP status (`status`, `statusCode`) where it has one that says so, else
 * by the words of its name, its class and its message, else as its `cause`. What nothing is known about, or throws when
 * looked at, is permanent.
 *
 * @example
 * ```ts
 * import { classifyError } from "@tta/agent-coordination";
 *
 * console.log(classifyError(new Error("connection reset by peer"))); // network
 * console.log(classifyError(Object.assign(new Error("try later"), { status: 429 }))); // rate_limit
 * console.log(classifyError(new Error("no such user"))); // permanent
 * ```
 */
export function classifyError(error: unknown): ErrorCategory {
  try {
    return categoryOf(error);
  } catch {
    return "permanent"; // what throws when it is looked at must not take the place of what was thrown
  }
}

function categoryOf(error: unknown): ErrorCategory {
  let cause = error;
  for (let depth = 0; depth < MAX_CAUSES && cause !== undefined && cause !== null; depth++) {
    const category = byCode(cause) ?? byStatus(cause) ?? byWords(cause);
    if (category !== null) return category;
    cause = property(cause, "cause");
  }
  return "permanent";
}

// A chain of causes may be a circle.
const MAX_CAUSES = 8;

const BY_CODE: Partial<Record<ErrorCode, ErrorCategory>> = {
  BACKEND_UNAVAILABLE: "network",
  OUTCOME_UNKNOWN: "network",
  REQUEST_TIMEOUT: "network",
  QUEUE_FULL: "resource",
};

// Error codes of the platforms' sockets and name look-ups.
const SOCKET_CODE = /^(E(CONN\w+|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|NETDOWN|NOTFOUND|AI_AGAIN)|UND_ERR_\w+)$/;

function byCode(error: unknown): ErrorCategory | null {
  // The text of our own errors carries names that callers chose, and says nothing.
  if (error instanceof CoordinationError) return BY_CODE[error.code] ?? "permanent";
  const code = property(error, "code");
  if (typeof code === "string" && SOCKET_CODE.test(code)) return "network";
  // What the caller has ended is not to be begun again.
  return property(error, "name") === "AbortError" ? "permanent" : null;
}

function byStatus(error: unknown): ErrorCategory | null {
  const status = property(error, "status") ?? property(error, "statusCode");
  if (typeof status !== "number" || status < 400 || status > 599) return null;
  if (status === 429) return "rate_limit";
  if (status === 408) return "network";
  return status === 425 || status === 500 || (status >= 502 && status <= 504) ? "transient" : "permanent";
}

// In this order: "connection quota" is a failure of the network, "memory temporarily unavailable" one of a resource.
const WORDS: readonly (readonly [ErrorCategory, RegExp])[] = [
  ["network", /connection|timeout|timed out|network|unreachable|fetch failed|error sending request|socket hang up/i],
  ["rate_limit", /rate limit|too many requests|\b429\b|quota/i],
  ["resource", /memory|disk|resource|no space/i],
  ["transient", /temporar|unavailable|\b50[234]\b/i],
];

function byWords(error: unknown): ErrorCategory | null {
  // Few classes of errors set their `name`.
  const name = error instanceof Error ? `${error.name} ${error.constructor?.name}` : "";
  const text = `${name} ${errorWords(error)}`;
  return WORDS.find(([, words]) => words.test(text))?.[0] ?? null;
}

function property(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
