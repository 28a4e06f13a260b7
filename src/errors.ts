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
  | "JOURNAL_FULL";

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
