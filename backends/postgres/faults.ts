/** What an error of the client or of the server means for a call. @module */

import { BackendCorruptError, BackendUnavailableError, CoordinationError, errorText } from "../../src/errors.ts";

/** The server did not answer in time. */
export class LateError extends Error {
  override readonly name = "LateError";
}

/** What was looked up before a transaction holds no more: it is to be done anew. */
export class StaleError extends Error {
  override readonly name = "StaleError";
}

/** Another transaction has held for too long what a call is about; nothing has happened. */
export class HeldError extends BackendUnavailableError {
  override readonly name = "BackendUnavailableError";
}

/** `lost`: the connection is; `later`: the server refused, and did nothing; `final`: asking again is of no use. */
export type Fault = "lost" | "later" | "final";

const LOST = new Set([
  "CONNECTION_CLOSED",
  "CONNECTION_DESTROYED",
  "CONNECTION_ENDED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
]);

/** Not tried again: of an attempt that the end of the time cuts off, nobody could say what became. */
const LOCK_TIMEOUT = "55P03";

const LATER = new Set([
  "CONNECT_TIMEOUT",
  "ECONNREFUSED",
  "ECONNABORTED",
  "ENOENT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EAI_AGAIN",
  "40001", // serialization failure
  "40P01", // deadlock
  "53300", // too many connections
  "53400",
  "57014", // statement timeout
  "57P03", // starting up or shutting down
  "25006", // a standby: the primary may be found by the next connection
]);

/** What an error means. */
export function faultOf(error: unknown): Fault {
  if (error instanceof StaleError) return "later";
  if (error instanceof LateError) return "lost";
  const code = codeOf(error);
  // 57P01, 57P02 and 57P05: the server ended the connection; 25P02 and 25P03: it ended the transaction; 08: the link.
  if (LOST.has(code) || /^(08...|57P0[125]|25P0[23]|ERR_(STREAM|SOCKET)_.*)$/.test(code)) return "lost";
  // What may befall an attempt to connect, and a connection that stood.
  if (error instanceof Error && "syscall" in error && /^(read|write)$/.test(String(error.syscall))) return "lost";
  if (LATER.has(code)) return "later";
  // Errors of sockets come without a code in some runtimes.
  return code === "" && error instanceof Error && /connection|socket|reset by peer|broken pipe/i.test(error.message)
    ? "lost"
    : "final";
}

/** The error that a caller gets for a fault that did not pass in time, or never will. */
export function translate(name: string, error: unknown): Error {
  if (error instanceof CoordinationError || error instanceof TypeError || error instanceof RangeError) return error;
  const cause = withoutSecrets(error);
  if (codeOf(error) === LOCK_TIMEOUT) {
    const message =
      `Cannot use the backend "${name}": another transaction has held for too long what the call is about`;
    return new HeldError(message, { cause });
  }
  if (/^XX00[12]$/.test(codeOf(error))) {
    return new BackendCorruptError(`Cannot use the backend "${name}": ${cause.message}`, { cause });
  }
  return new BackendUnavailableError(`Cannot reach the backend "${name}": ${cause.message}`, { cause });
}

/** The stable code of an error of the server or of the system; empty where there is none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/**
 * A copy without what a client hangs on its errors: statements, parameters, and the addresses that it tried; and
 * without the name of the user, which the server repeats.
 */
function withoutSecrets(error: unknown): Error {
  const text = errorText(error);
  const message = text.replace(/\b(user|role) ".*?"/g, "the $1");
  return new Error(message || codeOf(error) || "the connection failed");
}
