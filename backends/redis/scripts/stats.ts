/** Lua: how many messages a queue holds in each state. @module */

import { PRELUDE } from "./prelude.ts";
import { script } from "./script.ts";
import { SETTLE } from "./settle.ts";

/**
 * `ARGV`: the encoded name of a queue. Returns whether all is settled; where it is, the numbers of ready, delayed,
 * leased and dead messages, and how long until the next is due or ends, -1 where there is none. O(1), beside what
 * settling costs.
 */
export const STATS = script(
  PRELUDE,
  SETTLE,
  `
local queue = open(ARGV[1])
local isSettled = settle(queue)
remember()
if not isSettled then return {'ok', 0} end
local delayed, leased, dead = call('ZCARD', queue.delayed), call('ZCARD', queue.leased), call('ZCARD', queue.dead)
local next
for _, key in ipairs({queue.delayed, queue.leased}) do
  local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
  local at = tonumber(first[2])
  if at and (not next or at < next) then next = at end
end
local ready = math.max(0, call('HLEN', queue.messages) - delayed - leased - dead)
return {'ok', 1, ready, delayed, leased, dead, next and next - now or -1}
`,
);
