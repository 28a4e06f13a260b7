/** Lua: how many records are below a prefix. @module */

import { PRELUDE } from "./prelude.ts";
import { RECORDS } from "./records.ts";
import { script } from "./script.ts";

/**
 * `ARGV`: the bounds of the encoded keys as ranges by text. Returns whether it is to be called again, since expired
 * records are still counted, and the count. O(log n), and O(log n) for each record that has expired since the last
 * look.
 */
export const COUNT = script(
  PRELUDE,
  RECORDS,
  `
if sweep(CHUNK) == CHUNK then return {'ok', 1, 0} end
return {'ok', 0, call('ZLEXCOUNT', index, ARGV[1], ARGV[2])}
`,
);
