/** A script and the hash by which Redis knows it. @module */

import { createHash } from "node:crypto";

/** A Lua script. */
export interface Script {
  /** The text, sent when the server does not have it. */
  readonly source: string;
  /** The hexadecimal SHA-1 of the text, which stands for it in every other call. */
  readonly sha: string;
}

/** Puts a script together of its parts. */
export function script(...parts: readonly string[]): Script {
  const source = parts.join("");
  return { source, sha: createHash("sha1").update(source).digest("hex") };
}
