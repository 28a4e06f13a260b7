/** Lua: the tokens of leased messages, by their ids: what purging needs, and no other call. @module */

import { PRELUDE } from "./prelude.ts";
import { script } from "./script.ts";

/** How many leases one script looks at: 2 ms. */
const PAGE = 1000;

/**
 * `ARGV`: the encoded name of a queue; where to go on, empty at first; ids. Returns where to go on, empty at the end,
 * and the names of the leases of these messages that it has met: each token with its id behind it. O(1) for each of a
 * page of leases. First come those that end first, where whoever purges all there is finds his; then all that are there
 * all the time.
 */
export const LEASED = script(
  PRELUDE,
  `
local key, cursor, isWanted, lengths = queueKey('l', ARGV[1]), ARGV[2], {}, {}
for position = 3, #ARGV do
  isWanted[ARGV[position]] = true
  lengths[#ARGV[position]] = true
end
local found, width, reply = nil, 1, {'ok', '0'}
if cursor == '' then
  found = call('ZRANGE', key, 0, ${PAGE - 1})
else
  local page = call('ZSCAN', key, cursor, 'COUNT', ${PAGE})
  found, width = page[2], 2
  reply[2] = page[1] == '0' and '' or page[1]
end
for position = 1, #found, width do
  local member = found[position]
  for length in pairs(lengths) do
    -- A cheap look, before the one that is certain.
    if isWanted[string.sub(member, -length)] then
      local random = string.match(member, '^%d+/%d+%.%d+:%d+%.()', 19)
      if #member - length == random + 21 then reply[#reply + 1] = member end
    end
  end
end
return reply
`,
);
