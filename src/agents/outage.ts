/** Which errors say that the store was away. @module */

import { BackendUnavailableError, OutcomeUnknownError } from "../errors.ts";

/** Whether a call failed because the store could not be reached, so that trying again may help. */
export function isOutage(error: unknown): boolean {
  return error instanceof BackendUnavailableError || error instanceof OutcomeUnknownError;
}
