/** What an error of the client or of the server means for a call. @module */

import { BackendCorruptError, BackendUnavailableError, errorText } from "../../src/errors.ts";

/** The connection was lost, or no answer came in time, with a command under way. */
export class LostError extends Error {
  override readonly name = "LostError";
}

/**
 * What a server's refusal means: `elsewhere`, that another server is to be asked; `later`, this one in a moment;
 * `final`, that asking again is of no use. A refused script has changed nothing: all these come before its first write.
 */
export type Refusal = "elsewhere" | "later" | "final";

const REFUSALS: Readonly<Record<string, Refusal>> = {
  MOVED: "elsewhere",
  ASK: "later", // the slot is on its way: only when all of it is there may a script run there
  READONLY: "elsewhere",
  LOADING: "later",
  MASTERDOWN: "later",
  CLUSTERDOWN: "later",
  TRYAGAIN: "later",
  NOREPLICAS: "later",
  BUSY: "later",
};

/** What a server's error means. */
export function refusalOf(error: unknown): Refusal {
  if (isUnsent(error)) return "elsewhere";
  return REFUSALS[codeOf(error)] ?? "final";
}

/**
 * What a command failed with: the server's refusal as it is; for any reason of the client's own, that the connection is
 * lost.
 */
export function orLost(error: unknown): unknown {
  const isRefusal = error instanceof Error && (error.name === "ReplyError" || codeOf(error) !== "");
  if (isRefusal || isUnsent(error) || error instanceof LostError) return error;
  return new LostError(`the connection was lost (${withoutSecrets(error).message})`);
}

/** Whether the client did not even send the command, since the connection is about to end. */
function isUnsent(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("Stream isn't writeable");
}

/** The first word of a server's error, such as `NOSCRIPT`; empty for errors of any other kind. */
export function codeOf(error: unknown): string {
  return error instanceof Error ? /^[A-Z]{2,}(?= |$)/.exec(error.message)?.[0] ?? "" : "";
}

/** The address in a server's `MOVED 1234 127.0.0.1:7001`, `null` in any other error. */
export function movedTo(error: unknown): { readonly host: string; readonly port: number } | null {
  const [, host, port] = /^MOVED \d+ (.*):(\d+)$/.exec(error instanceof Error ? error.message : "") ?? [];
  return host && port ? { host, port: Number(port) } : null;
}

/** The server is not one that this backend can work with. */
export class UnfitError extends Error {
  override readonly name = "UnfitError";
}

/** Whether a server will not be used, however often it is tried: it did not like the credentials, or is too old. */
export function isRefusedForGood(error: unknown): boolean {
  return isRefusedLogin(error) || error instanceof UnfitError;
}

/** Whether a command is not for this user, or for nobody. */
export function isForbidden(error: unknown): boolean {
  return codeOf(error) === "NOPERM" || error instanceof Error && error.message.startsWith("ERR unknown command");
}

/**
 * Whether a script failed half way, as for a user who may not run all commands. All other refusals come before a
 * script's first write; also that of a server whose memory is full.
 */
export function isHalfWay(error: unknown): boolean {
  return codeOf(error) === "ERR" && error instanceof Error && error.message.includes("user_script");
}

/** Whether a call failed, and did nothing, since the server's memory is full. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof BackendUnavailableError && codeOf(error.cause) === "OOM";
}

/** Whether the server did not like the credentials, or what the user asks for. */
export function isRefusedLogin(error: unknown): boolean {
  return ["WRONGPASS", "NOAUTH", "NOPERM"].includes(codeOf(error)) ||
    error instanceof Error && error.message.startsWith("ERR invalid password");
}

/** The error that a caller gets for a server's final refusal. */
export function translate(name: string, error: unknown): Error {
  const cause = withoutSecrets(error);
  if (codeOf(error) === "WRONGTYPE") {
    return new BackendCorruptError(`Cannot use the backend "${name}": ${cause.message}`, { cause });
  }
  return unavailable(name, cause);
}

/** The error that a caller gets when the server cannot be used. */
export function unavailable(name: string, error: unknown): BackendUnavailableError {
  const cause = withoutSecrets(error);
  const code = codeOf(error);
  if (code === "OOM") {
    return new BackendUnavailableError(`Cannot write to the backend "${name}": its memory is full`, { cause });
  }
  const refused = code === "NOPERM" ? "what the user asked for" : "the login";
  const why = isRefusedLogin(error) ? `the server refused ${refused} (${cause.message})` : cause.message;
  return new BackendUnavailableError(`Cannot reach the backend "${name}": ${why}`, { cause });
}

/**
 * A copy without the command that a client hangs on its errors, and without what a server repeats of it: both may show
 * a password.
 */
export function withoutSecrets(error: unknown): Error {
  const message = errorText(error);
  return new Error(message.replace(/,? with args beginning with.*$/s, "") || "the connection failed");
}
