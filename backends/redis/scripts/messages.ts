/** Lua: the messages of a queue, in two steps: which are in a state now, and what they carry. @module */

import { PRELUDE } from "./prelude.ts";
import { script } from "./script.ts";
import { SETTLE } from "./settle.ts";

/**
 * `ARGV`: the encoded name of a queue, the letter of the state in key names or `r` for ready, the most messages. Returns
 * whether all is settled; where it is, in the order of the state, of each message its id or, where the state is a sorted
 * set, its member; its state; and its score; the latter two empty where there is none. O(log n + k) for k messages, beside what settling costs.
 */
export const PLACES = script(
  PRELUDE,
  SETTLE,
  `
local queue, kind, limit = open(ARGV[1]), ARGV[2], tonumber(ARGV[3])
local isSettled = settle(queue)
remember()
if not isSettled then return {'ok', 0} end
local reply = {'ok', 1}

local function add(names, states, scores)
  for position, name in ipairs(names) do
    reply[#reply + 1] = name
    reply[#reply + 1] = states[position] or ''
    reply[#reply + 1] = scores[position] or ''
  end
end

local function statesOf(ids)
  return call('HMGET', queue.states, unpack(ids))
end

if kind == 'r' then
  for priority = 9, 0, -1 do
    local left = limit - (#reply - 2) / 3
    if left <= 0 then break end
    parts(call('LRANGE', line(queue, priority), 0, left - 1), function(ids) add(ids, statesOf(ids), {}) end)
  end
else
  parts(call('ZRANGE', queueKey(kind, queue.name), 0, limit - 1, 'WITHSCORES'), function(part)
    local ids, members, scores = {}, {}, {}
    for position = 1, #part, 2 do
      members[#members + 1] = part[position]
      ids[#members] = string.sub(part[position], 18)
      scores[#members] = part[position + 1]
    end
    add(members, kind == 'l' and {} or statesOf(ids), scores) -- what is leased has none
  end)
end
return reply
`,
);

/**
 * `ARGV`: the encoded name of a queue, the most bytes, ids. Returns message and last error, each null where there is none,
 * of as many ids as fit but at least one. O(k).
 */
export const CONTENTS = script(
  PRELUDE,
  `
local queue, most = open(ARGV[1]), tonumber(ARGV[2])
local reply, size = {'ok'}, 0
for position = 3, #ARGV do
  local message = call('HGET', queue.messages, ARGV[position])
  size = size + #(message or '')
  if position > 3 and size > most then break end
  reply[#reply + 1] = message
  reply[#reply + 1] = call('HGET', queueKey('e', queue.name), ARGV[position])
end
return reply
`,
);
