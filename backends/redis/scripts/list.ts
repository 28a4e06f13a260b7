/** Lua: a page of the records below a prefix. @module */

import { PRELUDE } from "./prelude.ts";
import { RECORDS } from "./records.ts";
import { script } from "./script.ts";

// A page ends when it is so large, whatever the number of its records.
const PAGE_BYTES = 1_000_000;

/**
 * `ARGV`: the bounds of the encoded keys as ranges by text, `1` for backwards, the most records. Returns how far it
 * came, empty at the end, then keys and records in turn. O(log n + k) for k keys of a page.
 */
export const LIST = script(
  PRELUDE,
  RECORDS,
  `
local low, high, isReverse, limit = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])
sweep(CHUNK)
local keys
if isReverse then
  keys = call('ZREVRANGEBYLEX', index, high, low, 'LIMIT', 0, limit)
else
  keys = call('ZRANGEBYLEX', index, low, high, 'LIMIT', 0, limit)
end
local reply, size, reached = {'ok', ''}, 0, ''
for position, key in ipairs(keys) do
  local record = call('GET', recordKey(key))
  if record then
    reply[#reply + 1] = key
    reply[#reply + 1] = record
    size = size + #record
  end
  if position == limit or (size > ${PAGE_BYTES} and position < #keys) then
    reply[2] = key
    break
  end
end
return reply
`,
);
