/** Lua: a page of the queues below a prefix. @module */

import { PRELUDE } from "./prelude.ts";
import { script } from "./script.ts";

/** `ARGV`: the bounds of the encoded names as ranges by text, the most names. Returns the names. O(log n + k). */
export const QUEUES = script(
  PRELUDE,
  `
local names = call('ZRANGEBYLEX', root .. ':queues', ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
return {'ok', unpack(names)}
`,
);
