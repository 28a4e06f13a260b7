/** Lua: the messages of a queue, in two steps: which are in a state now, and what they are. @module */

import { PRELUDE } from "./prelude.ts";
import { script } from "./script.ts";
import { SETTLE } from "./settle.ts";

/**
 * `ARGV`: the encoded name of a queue, the key kind of the state or `r` for ready, the most ids. Returns the ids in the
 * order of the state. O(k log n), beside what settling costs.
 */
export const IDS = script(
  PRELUDE,
  SETTLE,
  `
local queue, kind, limit = open(ARGV[1]), ARGV[2], tonumber(ARGV[3])
settle(queue)
remember()
local reply = {'ok'}
if kind == 'r' then
  for priority = 9, 0, -1 do
    local left = limit - #reply + 1
    if left <= 0 then break end
    for _, id in ipairs(call('LRANGE', line(queue, priority), 0, left - 1)) do reply[#reply + 1] = id end
  end
else
  for _, member in ipairs(call('ZRANGE', queueKey(kind, queue.name), 0, limit - 1)) do reply[#reply + 1] = parse(member) end
end
return reply
`,
);

/**
 * `ARGV`: the encoded name of a queue, the most bytes, ids. Returns, for as many ids as fit but at least one: the message,
 * its state, when that ends or began, each empty where there is none, and its last error or null. O(k log n).
 */
export const DETAILS = script(
  PRELUDE,
  SETTLE,
  `
local queue, most = open(ARGV[1]), tonumber(ARGV[2])
local reply, size = {'ok'}, 0
local kinds = {D = queue.delayed, L = queue.leased, X = queue.dead}
for position = 3, #ARGV do
  local id = ARGV[position]
  local message = call('HGET', queue.messages, id) or ''
  size = size + #message
  if position > 3 and size > most then break end
  local state = call('HGET', queue.states, id) or ''
  local key = kinds[string.sub(state, 1, 1)]
  local at = key and call('ZSCORE', key, string.sub(state, 2, 18) .. id)
  reply[#reply + 1] = message
  reply[#reply + 1] = state
  reply[#reply + 1] = at or ''
  reply[#reply + 1] = call('HGET', queue.errors, id)
end
return reply
`,
);
