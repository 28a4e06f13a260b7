/** Every error that callers are meant to handle, each with a stable `code`. @module */

/** What a {@linkcode CoordinationError} can be about. Codes are stable: they are part of the public surface. */
export type ErrorCode =
  | "BACKEND_CLOSED"
  | "BACKEND_CORRUPT"
  | "BACKEND_SCHEMA_NEWER"
  | "BACKEND_UNAVAILABLE"
  | "COMMIT_REFUSED"
  | "CROSS_BACKEND_BATCH"
  | "OUTCOME_UNKNOWN"
  | "QUEUE_FULL"
  | "REQUEST_FAILED"
  | "REQUEST_TIMEOUT"
  | "VALUE_TOO_LARGE"
  | "CIRCUIT_OPEN"
  | "DRIVER_MISSING"
  | "UNKNOWN_SCHEME"
  | "STALE_INCARNATION"
  | "JOURNAL_FULL"
  | "LEASE_LOST"
  | "PERMANENT_FAILURE"
  | "EMBEDDING_FAILED";

/** Calls what the caller gave us to be told: what it throws, now or as a rejected promise, is its own affair. */
export function tellSafely(call: () => unknown): void {
  try {
    const result = call();
    if (result instanceof Promise) result.catch(() => {});
  } catch {
    // Telling is not worth the work that is told of.
  }
}

/** What an error says, or whatever else was thrown, a plain object as JSON. Never throws. */
export function errorText(error: unknown): string {
  const words = errorWords(error);
  if (words !== "[object Object]") return words;
  try {
    return JSON.stringify(error) ?? words;
  } catch {
    return words;
  }
}

/** What an error says, or whatever else was thrown: also where that has no text, or an odd one. Never throws. */
export function errorWords(error: unknown): string {
  try {
    const message: unknown = typeof error === "object" && error !== null ? Reflect.get(error, "message") : undefined;
    return typeof message === "string" ? message : String(error);
  } catch {
    return "what was thrown has no text";
  }
}

/** What was thrown, as an error: callers and drivers may throw anything. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(errorText(thrown));
}

/** The base of all errors of this library that are not a caller's mistake. */
export class CoordinationError extends Error {
  /** A stable, upper-case name of the condition. */
  readonly code: ErrorCode;

  /** Makes an error with a stable code. */
  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** What to throw where a driver could not be loaded: mostly it is not installed; else the reason is told. */
export function driverMissing(cannot: string, packageName: string, cause: unknown): CoordinationError {
  const isMissing = cause instanceof Error && "code" in cause && cause.code === "ERR_MODULE_NOT_FOUND";
  const why = isMissing ? "" : `, which cannot be loaded: ${errorText(cause)}`;
  return new CoordinationError("DRIVER_MISSING", `${cannot}: it needs the package ${packageName}${why}`, { cause });
}

/** The engine cannot be reached, or did not answer within the time limit. Nothing was changed; try again later. */
export class BackendUnavailableError extends CoordinationError {
  /** Makes the error for one failed call. */
  constructor(message: string, options?: ErrorOptions) {
    super("BACKEND_UNAVAILABLE", message, options);
  }
}

/**
 * The connection broke after a write was sent and before its answer came: it may have happened or not.
 * Sending the same message id again is safe.
 */
export class OutcomeUnknownError extends CoordinationError {
  /** Makes the error for one write whose answer was lost. */
  constructor(message: string, options?: ErrorOptions) {
    super("OUTCOME_UNKNOWN", message, options);
  }
}

/** Whether a call failed because the engine could not be reached, so that trying again may help. */
export function isOutage(error: unknown): error is BackendUnavailableError | OutcomeUnknownError {
  return error instanceof BackendUnavailableError || error instanceof OutcomeUnknownError;
}

/** The backend has been closed. */
export class BackendClosedError extends CoordinationError {
  /** Makes the error for a call on the backend with this name. */
  constructor(name: string) {
    super("BACKEND_CLOSED", `Cannot use the backend "${name}": it is closed`);
  }
}

/** The stored data was written by a newer, incompatible version of this library, and is left untouched. */
export class SchemaNewerError extends CoordinationError {
  /** Makes the error for a store with format `found`, read by a library that knows `known`. */
  constructor(name: string, found: number | string, known: number) {
    super(
      "BACKEND_SCHEMA_NEWER",
      `Cannot open the backend "${name}": its format ${found} is newer than ${known}, the newest that this version knows`,
    );
  }
}

/** The stored data is damaged, or not a store of this library. */
export class BackendCorruptError extends CoordinationError {
  /** Makes the error, with the engine's own as its cause. */
  constructor(message: string, options?: ErrorOptions) {
    super("BACKEND_CORRUPT", message, options);
  }
}

/** A value is larger than the engine can store. Nothing was stored. */
export class ValueTooLargeError extends CoordinationError {
  /** Makes the error for a value of `bytes` where at most `maxBytes` fit. */
  constructor(bytes: number, maxBytes: number) {
    super("VALUE_TOO_LARGE", `Cannot store the value: it has ${bytes} bytes, and at most ${maxBytes} fit`);
  }
}

/** What else was to happen in one atomic step could not be, so that nothing of it happened. */
export class CommitRefusedError extends CoordinationError {
  /** Which kind of thing could not be. */
  readonly reason: "conflict" | "full" | "lease_lost";

  /** Makes the error for a refused step. */
  constructor(action: string, reason: "conflict" | "full" | "lease_lost") {
    const why = { conflict: "a check did not hold", full: "a queue is full", lease_lost: "a lease has ended" }[reason];
    super("COMMIT_REFUSED", `Cannot ${action}: ${why}, and nothing of it was done`);
    this.reason = reason;
  }
}

/** The recipient's mailbox holds as many messages as it may. */
export class QueueFullError extends CoordinationError {
  /** Makes the error for a mailbox. */
  constructor(mailbox: string) {
    super("QUEUE_FULL", `Cannot send to ${mailbox}: the queue is full`);
  }
}

/** No reply came in time. The request may still be handled. */
export class RequestTimeoutError extends CoordinationError {
  /** Makes the error for a request that was given up after `timeoutMs`. */
  constructor(recipient: string, timeoutMs: number) {
    super("REQUEST_TIMEOUT", `Cannot wait for the reply of ${recipient} any longer: none came in ${timeoutMs} ms`);
  }
}

/** The recipient gave the request up: it is in its dead-letter queue. */
export class RequestFailedError extends CoordinationError {
  /** Makes the error with the recipient's last error. */
  constructor(recipient: string, error: string) {
    super("REQUEST_FAILED", `Cannot get a reply of ${recipient}: ${error}`);
  }
}

/** A handler lost the lease on its message: another receiver may have it by now. */
export class LeaseLostError extends CoordinationError {
  /** Makes the error for a message. */
  constructor(messageId: string) {
    super("LEASE_LOST", `Cannot go on with the message ${messageId}: its lease is lost`);
  }
}

/** Thrown by a handler to say that trying again is of no use: the message goes to the dead-letter queue at once. */
export class PermanentFailureError extends CoordinationError {
  /** Makes the error with what to record as the message's last error. */
  constructor(message: string, options?: ErrorOptions) {
    super("PERMANENT_FAILURE", message, options);
  }
}

/** A batch, or a query below a prefix, would span several children of a composite. Nothing was done. */
export class CrossBackendError extends CoordinationError {
  /** Makes the error for an action that would need these children. */
  constructor(action: string, children: readonly string[]) {
    super("CROSS_BACKEND_BATCH", `Cannot ${action} over several backends: it would need ${children.join(" and ")}`);
  }
}

/** The fallback has as many unsynchronised writes as it may keep. Nothing was written. */
export class JournalFullError extends CoordinationError {
  /** Makes the error for a journal of `maxEntries`. */
  constructor(maxEntries: number) {
    super(
      "JOURNAL_FULL",
      `Cannot write to the fallback: its journal holds ${maxEntries} writes that wait for the primary backend`,
    );
  }
}
