/** Lua: deletes a page of the records below a prefix. @module */

import { PRELUDE } from "./prelude.ts";
import { RECORDS } from "./records.ts";
import { script } from "./script.ts";

/**
 * `ARGV`: until when (by the engine's time, in milliseconds) the step is wanted, the command that wakes (unused),
 * the bounds of the encoded keys as ranges by text. Returns whether there may be more, and how many records it deleted.
 * O(k log n) for the k keys of a page.
 */
export const CLEAR = script(
  PRELUDE,
  RECORDS,
  `
if now > tonumber(ARGV[1]) then return {'late', now} end
local keys = call('ZRANGEBYLEX', index, ARGV[3], ARGV[4], 'LIMIT', 0, CHUNK)
if #keys == 0 then return {'ok', now, 0, 0} end
local names = {}
for position, key in ipairs(keys) do names[position] = recordKey(key) end
call('ZREM', index, unpack(keys))
call('ZREM', expiring, unpack(keys))
for _, key in ipairs(keys) do untrack(key) end
remember()
return {'ok', now, #keys == CHUNK and 1 or 0, call('UNLINK', unpack(names))}
`,
);
