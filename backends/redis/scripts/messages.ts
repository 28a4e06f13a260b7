/** Lua: the messages of a queue, in two steps: which are in a state now, and what they carry. @module */

import { PRELUDE } from "./prelude.ts";
import { script } from "./script.ts";
import { SETTLE } from "./settle.ts";

/**
 * A page of the messages in a state. `ARGV`: the encoded name of a queue; the letter of the state in key names, or for
 * ready a priority; the most messages; and, behind a page, where that ended: its last name, and that one's score or
 * place in line.
 *
 * Returns whether all is settled, of which a first page alone makes sure; where it is, how many messages there are in
 * all; then the letter or priority to go on with, empty at the end, and where this page ended; then, in the order of
 * the state, of each message its name, which is its id or, where the state is a sorted set, its member; its state; and
 * its score; the latter two empty where there is none. O(log n + k) for k messages, and for ready ones those that were
 * read before.
 */
export const PLACES = script(
  PRELUDE,
  SETTLE,
  `
local queue, kind, limit, last, at = open(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
if not last then
  local isSettled = settle(queue)
  remember()
  if not isSettled then return {'ok', 0} end
end
local reply = {'ok', 1, 0, '', '', ''}

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

-- What has left its place since, or has another, stood at the front of a line: all before it has left, too. In a sorted
-- set the page begins where it stood, at the first of the same score, and the reader knows what it has seen.
if tonumber(kind) then
  for priority = tonumber(kind), 0, -1 do
    local key = line(queue, priority)
    reply[3] = reply[3] + call('LLEN', key)
    local first = last and (call('LPOS', key, last, 'MAXLEN', at + 1) or -1) + 1 or 0
    last = nil
    local ids = limit > 0 and call('LRANGE', key, first, first + limit - 1) or {}
    if #ids > 0 then
      add(ids, statesOf(ids), {})
      limit = limit - #ids
      reply[4], reply[5], reply[6] = limit == 0 and priority or '', ids[#ids], first + #ids - 1
    end
  end
else
  local key = queueKey(kind, queue.name)
  reply[3] = call('ZCARD', key)
  local first = 0
  if last then
    first = call('ZSCORE', key, last) == at and call('ZRANK', key, last) + 1 or call('ZCOUNT', key, '-inf', '(' .. at)
  end
  local part = call('ZRANGE', key, first, first + limit - 1, 'WITHSCORES')
  local ids, members, scores = {}, {}, {}
  for position = 1, #part, 2 do
    members[#members + 1] = part[position]
    ids[#members] = string.sub(part[position], 18)
    scores[#members] = part[position + 1]
  end
  if #members > 0 then
    add(members, kind == 'l' and {} or statesOf(ids), scores) -- what is leased has none
    reply[4], reply[5], reply[6] = #members == limit and kind or '', members[#members], scores[#members]
  end
end
return reply
`,
);

/**
 * `ARGV`: the encoded name of a queue, the most bytes, ids. Returns message and last error, each null where there is
 * none, of as many ids as fit but at least one. O(k).
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
