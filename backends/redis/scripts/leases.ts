/** Lua: live leases, and messages that leave their queue. Before it comes settling. @module */

/** `held(queue, ids, tokens)`, `acknowledge(...)` and `remove(queue, ids)`: O(k log n) for k leases or messages. */
export const LEASES = `
-- Whether each of these tokens is that of a live lease, as when it ends, or false.
local function held(queue, ids, tokens)
  local members, live = {}, {}
  for position, token in ipairs(tokens) do members[position] = token .. ids[position] end
  for position, ends in ipairs(call('ZMSCORE', queue.leased, unpack(members))) do
    live[position] = ends and (not someEnded(queue) or tonumber(ends) > now)
  end
  return live, members
end

-- Forgets messages that stand in no line and no sorted set any more; their states and errors too, where they may have any.
local function remove(queue, ids, again)
  call('HDEL', queue.messages, unpack(ids))
  if #again > 0 then
    call('HDEL', queue.states, unpack(again))
    call('HDEL', queue.errors, unpack(again))
  end
  if call('EXISTS', queue.messages) == 0 then call('ZREM', root .. ':queues', queue.name) end
end

local function acknowledge(queue, ids, members)
  local again = {}
  for position, member in ipairs(members) do
    if string.byte(member, 18) == 65 then again[#again + 1] = ids[position] end -- A
  end
  call('ZREM', queue.leased, unpack(members))
  remove(queue, ids, again)
end
`;
